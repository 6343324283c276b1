//! Sound on the disk, across pieces, runs and losses of power.

use super::*;

const RATE_HZ: u32 = 8_000;
const MINUTE: u64 = 60 * 8_000;

struct Place {
    _folder: tempfile::TempDir,
    kept: Kept,
    writer: Writer,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let spool = Spool::open(folder.path()).expect("it is free");
    let recording = Recording {
        server: "http://localhost".into(),
        title: "定例会".into(),
        meeting: None,
        room: String::new(),
        began_at: UnixMs::from_ms(0),
        live: None,
    };
    let recording = spool.begin(&recording).expect("there is room");
    let stream = Stream { name: "m".into(), rate_hz: RATE_HZ, device: "d".into(), wanted: None, number: 0 };
    let (kept, writer) = Kept::begin(&recording, stream).expect("there is room");
    Place { _folder: folder, kept, writer }
}

fn ramp(from: u64, samples: u64) -> Vec<i16> {
    (from..from + samples).map(|at| at as i16).collect()
}

#[test]
fn sound_is_read_back_across_pieces_and_silence_stands_where_it_was_put() {
    let Place { _folder, kept, mut writer } = place();
    writer.append(&ramp(0, MINUTE - 5)).expect("there is room");
    writer.append_silence(10).expect("there is room");
    writer.append(&ramp(MINUTE + 5, 100)).expect("there is room");
    let mut back = Vec::new();
    kept.read(MINUTE - 10, 30, &mut back).expect("it is there");
    let expected = [ramp(MINUTE - 10, 5), vec![0; 10], ramp(MINUTE + 5, 15)].concat();
    assert_eq!(back, expected);
    assert!(kept.read(MINUTE + 100, 6, &mut back).is_err(), "what is not there is not invented");
}

#[test]
fn what_the_server_has_is_deleted_in_whole_pieces_and_never_more() {
    let Place { _folder, kept, mut writer } = place();
    writer.append(&ramp(0, 3 * MINUTE)).expect("there is room");
    kept.forget(MINUTE - 1).expect("it can be deleted");
    assert_eq!(kept.extent().expect("it can be read").from, 0);
    kept.forget(2 * MINUTE).expect("it can be deleted");
    let extent = kept.extent().expect("it can be read");
    assert_eq!((extent.from, extent.until), (2 * MINUTE, 3 * MINUTE));
}

#[test]
fn a_later_run_finds_sound_and_holes_and_goes_on_behind_them() {
    let Place { _folder, kept, mut writer } = place();
    writer.append(&ramp(0, 1_000)).expect("there is room");
    writer.mark_hole().expect("there is room");
    writer.append(&ramp(1_000, 500)).expect("there is room");
    drop(writer);
    let (extent, mut writer) = kept.reopen().expect("it can be read");
    assert_eq!(extent, Extent { from: 0, until: 1_500, holes: vec![1_000], ended: false });
    writer.append(&ramp(1_500, 500)).expect("there is room");
    writer.finish().expect("there is room");
    let extent = kept.extent().expect("it can be read");
    assert_eq!((extent.until, extent.ended), (2_000, true));
    let mut back = Vec::new();
    kept.read(0, 2_000, &mut back).expect("it is there");
    assert_eq!(back, ramp(0, 2_000));
}

#[test]
fn half_a_sample_left_by_a_loss_of_power_is_cut_off() {
    let Place { _folder, kept, mut writer } = place();
    writer.append(&ramp(0, 100)).expect("there is room");
    let (_, file) = writer.piece.as_ref().expect("it is open");
    file.write_all_at(&[1], 200).expect("there is room");
    drop(writer);
    assert_eq!(kept.extent().expect("it can be read").until, 100);
}

#[test]
fn two_programs_never_use_one_folder() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let first = Spool::open(folder.path()).expect("it is free");
    assert!(Spool::open(folder.path()).is_err());
    drop(first);
    assert!(Spool::open(folder.path()).is_ok());
}

#[test]
fn a_day_of_silence_takes_no_room() {
    use std::os::unix::fs::MetadataExt as _;
    let Place { _folder, kept, mut writer } = place();
    writer.append_silence(600 * MINUTE).expect("it takes none");
    assert_eq!(writer.recorded(), 600 * MINUTE);
    let metadata = piece_path(kept.path(), 0).metadata().expect("it is there");
    assert!(metadata.blocks() < 64, "{} blocks", metadata.blocks());
}
