//! What tells this machine from others, as keyed hashes. What the machine does not tell is absent.

use std::path::Path;

use crate::cli::files;
use crate::seats::licence::host::{HostHash, Part};
use crate::seats::licence::keys::SigningKey;

/// Returns the hashes of this host's parts; without the instance key there are none.
pub fn hashes(instance: Option<&SigningKey>) -> Vec<HostHash> {
    let Some(instance) = instance else { return Vec::new() };
    let key = instance.binding_key();
    let parts = [
        (Part::Machine, line("/etc/machine-id")),
        (Part::Board, board()),
        (Part::Disk, disk()),
        (Part::Network, network()),
        (Part::Instance, Some(instance.public().to_string())),
    ];
    let hash = |(part, value): (Part, Option<String>)| Some(HostHash::of(&key, part, &value?));
    parts.into_iter().filter_map(hash).collect()
}

/// Returns what stands in a small file of the system, if anything does.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = files::read_text(path.as_ref()).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the board's serial number; a virtual machine often has its own number instead.
fn board() -> Option<String> {
    line("/sys/class/dmi/id/board_serial").or_else(|| line("/sys/class/dmi/id/product_uuid"))
}

/// Returns the name of the file system that the machine runs from.
///
/// Source: proc(5), mountinfo: the third field is the device, the fifth where it is mounted.
fn disk() -> Option<String> {
    let mounts = files::read_text(Path::new("/proc/self/mountinfo")).ok()?;
    let root = mounts.lines().find(|mount| mount.split(' ').nth(4) == Some("/"))?;
    let number = root.split(' ').nth(2)?;
    let facts = line(Path::new("/sys/dev/block").join(number).join("uevent"))?;
    let device = facts.lines().find_map(|fact| fact.strip_prefix("DEVNAME="))?;
    let device = Path::new("/dev").join(device);
    let names = Path::new("/dev/disk/by-uuid").read_dir().ok()?;
    let mut names =
        names.flatten().filter(|name| name.path().canonicalize().is_ok_and(|path| path == device));
    names.next().map(|name| name.file_name().to_string_lossy().into_owned())
}

/// Returns the address of the first network card that is a device, by name.
fn network() -> Option<String> {
    let cards = Path::new("/sys/class/net").read_dir().ok()?;
    let mut cards: Vec<_> = cards.flatten().map(|card| card.path()).collect();
    cards.sort();
    cards.into_iter().filter(|card| card.join("device").exists()).find_map(|card| line(card.join("address")))
}
