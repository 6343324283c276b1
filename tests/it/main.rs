//! Everything that needs the real program, the real model or the real files; one binary, so that it is linked once.


mod formats;
mod support;
mod transcribe;
mod vad;
