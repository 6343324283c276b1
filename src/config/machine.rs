//! What the settings meet on this machine: files, the disk, ports.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::{Config, read};

/// Largest certificate or key file read.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// First port that anybody may take, where the kernel does not tell.
const PORT_FREE_USUAL: u16 = 1024;
/// The right to take lower ports, CAP_NET_BIND_SERVICE, as a bit of a process's rights.
///
/// Source: capabilities(7), linux/capability.h.
const CAP_NET_BIND_SERVICE: u32 = 10;

/// What [`Config::problems`] has to know of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Files named by settings that are no readable PEM: the setting, the file, why.
    pub unusable: Vec<(&'static str, PathBuf, String)>,
    /// Lowest port this process may listen on.
    pub port_min: u16,
    /// Size of the disk the data folder lies on; `None` if it cannot be told.
    pub disk_bytes: Option<u64>,
    /// Whether the data folder can be written, or made.
    pub can_write_data: bool,
}

impl Machine {
    /// Looks at the files, the disk and the rights that these settings need; changes nothing.
    pub fn look(config: &Config) -> Self {
        let server = &config.server;
        let named = [
            ("server.tls_certificate", &server.tls_certificate, "-----BEGIN CERTIFICATE-----"),
            ("server.tls_key", &server.tls_key, "PRIVATE KEY-----"),
            ("s3.ca_certificate", &config.s3.ca_certificate, "-----BEGIN CERTIFICATE-----"),
        ];
        let unusable = named.into_iter().filter_map(|(key, path, mark)| {
            let path = path.as_ref()?;
            Some((key, path.clone(), pem_fault(path, mark)?))
        });
        let existing = nearest_existing(&config.data.folder);
        Self {
            unusable: unusable.collect(),
            port_min: if may_take_low_ports() { 1 } else { port_free() },
            disk_bytes: statvfs(&existing).ok().map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
            can_write_data: access(&existing, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
        }
    }
}

fn pem_fault(path: &Path, mark: &str) -> Option<String> {
    match read(path, PEM_BYTES_MAX) {
        Ok(text) if text.contains(mark) => None,
        Ok(_) => Some(format!("PEM の「{mark}」がありません")),
        Err(error) => Some(error.to_string()),
    }
}

/// Returns the folder itself, or the first above it that is there.
fn nearest_existing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let found = absolute.ancestors().find(|folder| folder.exists());
    found.map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

fn port_free() -> u16 {
    let told = read(Path::new("/proc/sys/net/ipv4/ip_unprivileged_port_start"), 64);
    told.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(PORT_FREE_USUAL)
}

fn may_take_low_ports() -> bool {
    let Ok(status) = read(Path::new("/proc/self/status"), 64 << 10) else { return false };
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let rights = rights.and_then(|rights| u64::from_str_radix(rights.trim(), 16).ok());
    rights.is_some_and(|rights| rights >> CAP_NET_BIND_SERVICE & 1 == 1)
}
