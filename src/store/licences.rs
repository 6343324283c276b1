//! Licence files: kept as they were signed, and read anew each time, so that no row is believed by itself.

use super::audit::{Actor, Entry};
use super::dialect::{Row, Tx, values};
use super::seats::Seats;
use super::{Id, Store, StoreError};
use crate::clock::UnixMs;
use crate::seats::Request;
use crate::seats::licence::day::Day;
use crate::seats::licence::host::HostHash;
use crate::seats::licence::keys::KeyRing;
use crate::seats::licence::standing::{Installed, Standing, standing};
use crate::seats::licence::terms::terms;
use crate::seats::licence::{FILES_MAX, Licence, LicenceError};

/// The number under which PostgreSQL lets one administrator at a time install a file.
const INSTALL_LOCK: &str = "SELECT pg_advisory_xact_lock(7302)";
const SELECT: &str = "SELECT id, seq, text, installed_at, installed_by, unbound_since FROM seat_licence \
                      ORDER BY seq, id LIMIT $1";

/// A licence file as it was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceFile {
    /// The licence's name.
    pub id: String,
    /// Its number.
    pub seq: u64,
    /// The signed text.
    pub text: String,
    /// When it was installed.
    pub installed_at: UnixMs,
    /// By whom; none at the server machine itself.
    pub installed_by: Option<Id>,
    /// The first day on which its host was found changed.
    pub unbound_since: Option<Day>,
}

impl LicenceFile {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let since = row.text_or_none(5)?.map(|text| Day::parse(&text)).transpose();
        Ok(Self {
            id: row.text(0)?,
            seq: row.count(1)?,
            text: row.text(2)?,
            installed_at: row.at(3)?,
            installed_by: row.id_or_none(4)?,
            unbound_since: since.map_err(|error| StoreError::Damaged { what: error.to_string() })?,
        })
    }

    /// Reads what the file says, with the keys that are believed today.
    ///
    /// Errors: its key is no longer believed, or the row was changed; it counts for nothing then.
    pub fn read(&self, keys: &KeyRing) -> Result<Installed, LicenceError> {
        let licence = Licence::open(&self.text, keys)?;
        Ok(Installed { licence, unbound_since: self.unbound_since })
    }
}

/// Reads the files that can be believed; the others count for nothing.
pub fn believed(files: &[LicenceFile], keys: &KeyRing) -> Vec<Installed> {
    files.iter().filter_map(|file| file.read(keys).ok()).collect()
}

/// A file to be installed, and where and when.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// The signed text.
    pub text: &'a str,
    /// The keys that are believed.
    pub keys: &'a KeyRing,
    /// The hashes of this host.
    pub host: &'a [HostHash],
    /// The trusted day.
    pub today: Day,
}

/// What licences are judged by: whose signatures count, and which host this is.
#[derive(Debug, Clone, Default)]
pub struct LicenceSite {
    /// The keys that are believed.
    pub keys: KeyRing,
    /// The hashes of this host.
    pub host: Vec<HostHash>,
}

impl Store {
    /// Returns what the installed files amount to on a day.
    pub async fn licence_standing(&self, site: &LicenceSite, today: Day) -> Result<Standing, StoreError> {
        let installed = believed(&self.licence_files().await?, &site.keys);
        Ok(standing(today, &installed, &site.host))
    }

    /// Lets the seats know what the files amount to on the trusted day: at the start, after an installation, hourly.
    ///
    /// Errors: the database does not answer; seats that start anew keep what they knew until the next time.
    pub async fn apply_licence(
        &self,
        site: &LicenceSite,
        seats: &Seats,
        now: UnixMs,
    ) -> Result<Standing, StoreError> {
        let today = Day::in_japan(seats.look(|_, now| now.office));
        self.note_licence_hosts(&site.keys, &site.host, today, now).await?;
        let standing = self.licence_standing(site, today).await?;
        if let Err(error) = seats.ask(Request::SetLicence(terms(&standing))).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the seats do not know the licence yet");
        }
        Ok(standing)
    }

    /// Returns every licence file, oldest first.
    ///
    /// Range: at most [`FILES_MAX`].
    pub async fn licence_files(&self) -> Result<Vec<LicenceFile>, StoreError> {
        let rows = self.database.rows(SELECT, values![limit()]).await?;
        rows.iter().map(LicenceFile::from_row).collect()
    }

    /// Installs a licence file if it is acceptable beside those that are there; a refusal is on record, too.
    ///
    /// Errors: [`StoreError`] if nothing can be said or kept. Inside: why the file was refused; nothing changed then.
    pub async fn install_licence(
        &self,
        file: NewFile<'_>,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Result<Licence, LicenceError>, StoreError> {
        let mut tx = self.write().await?;
        let kept = locked(&mut tx).await?;
        let accepted = acceptable(file, &kept);
        match &accepted {
            Ok(licence) => {
                tx.run(
                    "INSERT INTO seat_licence (id, seq, text, installed_at, installed_by) VALUES ($1, $2, $3, $4, $5)",
                    values![licence.id.as_str(), licence.seq, file.text.trim(), now, actor.user],
                )
                .await?;
                let facts = serde_json::json!({
                    "seq": licence.seq, "valid": licence.valid, "pools": licence.pools, "customer": licence.customer,
                });
                tx.audit(Entry::done(actor, now, "licence.install", &licence.id).with(facts)).await?;
            }
            Err(error) => {
                let facts = serde_json::json!({ "reason": error.code() });
                tx.audit(Entry::done(actor, now, "licence.install", "").with(facts).refused()).await?;
            }
        }
        tx.commit().await?;
        Ok(accepted)
    }

    /// Writes down since when the host no longer fits a file, and forgets it where the host fits again.
    pub async fn note_licence_hosts(
        &self,
        keys: &KeyRing,
        host: &[HostHash],
        today: Day,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for file in locked(&mut tx).await? {
            let Ok(installed) = file.read(keys) else { continue };
            let fits = installed.licence.bind.as_ref().is_none_or(|bind| bind.fits(host));
            if fits == file.unbound_since.is_none() {
                continue;
            }
            let since = (!fits).then(|| today.to_string());
            tx.run(
                "UPDATE seat_licence SET unbound_since = $3 WHERE id = $1 AND seq = $2",
                values![&file.id, file.seq, since],
            )
            .await?;
            let facts = serde_json::json!({ "seq": file.seq, "fits": fits });
            let server = Actor::server();
            tx.audit(Entry::done(&server, now, "licence.host", &file.id).with(facts)).await?;
        }
        tx.commit().await
    }
}

/// Returns the files inside a transaction that nobody else installs beside.
async fn locked(tx: &mut Tx) -> Result<Vec<LicenceFile>, StoreError> {
    let lock = tx.either("SELECT 1", INSTALL_LOCK);
    tx.rows(lock, &[]).await?;
    tx.rows(SELECT, values![limit()]).await?.iter().map(LicenceFile::from_row).collect()
}

fn acceptable(file: NewFile<'_>, kept: &[LicenceFile]) -> Result<Licence, LicenceError> {
    let licence = Licence::open(file.text, file.keys)?;
    licence.accept(&believed(kept, file.keys), file.host, file.today)?;
    // A file whose key is no longer believed counts for nothing, but what came before it stays old.
    let newest = kept.iter().map(|kept| u32::try_from(kept.seq).unwrap_or(u32::MAX)).max();
    if let Some(newest) = newest.filter(|newest| *newest >= licence.seq) {
        return Err(LicenceError::Older { seq: licence.seq, newest });
    }
    if kept.len() >= FILES_MAX { Err(LicenceError::TooMany { files_max: FILES_MAX }) } else { Ok(licence) }
}

fn limit() -> u64 {
    u64::try_from(FILES_MAX).unwrap_or(u64::MAX)
}
