//! Everything that needs the real program, the real model or the real files; one binary, so that it is linked once.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests start programs and damage files, as the world does"
)]

mod accounts;
mod capture;
mod clients;
mod engine;
mod export;
mod exports;
mod faults;
mod fencing;
mod formats;
mod jobs;
mod licence;
mod live;
mod minutes;
mod native;
mod office;
mod openapi;
mod operation;
mod papers;
mod postgres;
mod recordings;
mod roles;
mod rooms;
mod scene;
mod seating;
mod seats;
mod seats_kill;
mod segmentation;
mod speakers;
mod store_story;
mod support;
mod textwork;
mod transcribe;
mod transfers;
mod uploads;
mod uploads_survive;
mod vad;

mod verify;
mod voices;
