//! Settings that do not fit together, or do not fit the machine: each with what to do.

use std::path::Path;

use tracing_subscriber::EnvFilter;

use super::{AudioStore, Config, Machine};

/// Most proxies a server trusts.
const PROXIES_MAX: usize = 32;
/// Longest period of retention: a hundred years.
const DAYS_MAX: u32 = 36_500;

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The server does not start with it.
    Stops,
    /// The server starts; somebody should look at it.
    Advice,
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, `section.key`.
    pub key: &'static str,
    /// Whether the server can run.
    pub weight: Weight,
    /// What is wrong and what to do, for an administrator.
    pub text: String,
}

impl Config {
    /// Looks at the machine and returns what is wrong, in the order of the reference.
    pub fn check(&self) -> Vec<Problem> {
        self.problems(&Machine::look(self))
    }

    /// Returns what is wrong with these settings on such a machine.
    pub fn problems(&self, machine: &Machine) -> Vec<Problem> {
        let mut found = Problems(Vec::new());
        self.check_server(machine, &mut found);
        self.check_files(machine, &mut found);
        self.check_database(&mut found);
        if self.audio.store == AudioStore::S3 {
            self.check_s3(&mut found);
        }
        self.check_uploads(machine, &mut found);
        self.check_people(&mut found);
        self.check_limits(&mut found);
        self.check_work(&mut found);
        self.check_backup(&mut found);
        self.check_licence(&mut found);
        found.0
    }

    fn check_server(&self, machine: &Machine, found: &mut Problems) {
        let server = &self.server;
        let addresses = server.listen.addresses();
        for address in addresses.iter().filter(|address| address.port() != 0) {
            if address.port() < machine.port_min {
                found.stop("server.listen", format!(
                    "ポート {} を使う権限がありません。{} 以上のポートにするか、CAP_NET_BIND_SERVICE を与えてください",
                    address.port(), machine.port_min
                ));
            }
        }
        let is_open = addresses.iter().any(|address| !address.ip().is_loopback());
        let has_tls = server.tls_certificate.is_some() && server.tls_key.is_some();
        if is_open && !has_tls && server.trusted_proxies.is_empty() {
            found.advise(
                "server.listen",
                "他の端末から暗号化なしで接続できます。tls_certificate と tls_key を設定するか、\
                暗号化する中継サーバーを trusted_proxies に設定してください",
            );
        }
        let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if let Some(url) = server.public_url.as_ref().filter(|url| !is_url(url)) {
            found.stop("server.public_url", format!("{url:?} は https:// か http:// で始めてください"));
        }
        if server.tls_certificate.is_some() && server.tls_key.is_none() {
            found.stop("server.tls_key", "証明書だけが設定されています。秘密鍵も設定してください");
        }
        if server.tls_certificate.is_none() && server.tls_key.is_some() {
            found.stop("server.tls_certificate", "秘密鍵だけが設定されています。証明書も設定してください");
        }
        if server.trusted_proxies.len() > PROXIES_MAX {
            found.stop("server.trusted_proxies", format!("{PROXIES_MAX} 個以下にしてください"));
        }
    }

    fn check_files(&self, machine: &Machine, found: &mut Problems) {
        for (key, path, reason) in &machine.unusable {
            found.stop(
                key,
                format!("{} を使えません({reason})。場所、権限、中身を確かめてください", path.display()),
            );
        }
        if !machine.can_write_data {
            let folder = self.data.folder.display();
            found.stop(
                "data.folder",
                format!("{folder} に書けません。実行する利用者に書く権限を与えてください"),
            );
        }
    }

    fn check_database(&self, found: &mut Problems) {
        let is_postgres = |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
        if self.database.url.as_ref().is_some_and(|url| !is_postgres(url.reveal())) {
            found.stop(
                "database.url",
                "postgres:// で始めてください。SQLite を使うときは項目を消してください",
            );
        }
        found.range("database.connections_max", self.database.connections_max, 1, 1_000);
    }

    fn check_s3(&self, found: &mut Problems) {
        let s3 = &self.s3;
        let is_absent = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
        for (key, is_absent) in [
            ("s3.bucket", is_absent(&s3.bucket)),
            ("s3.endpoint", is_absent(&s3.endpoint)),
            ("s3.access_key", is_absent(&s3.access_key)),
            ("s3.secret_key", s3.secret_key.as_ref().is_none_or(|secret| secret.reveal().is_empty())),
        ] {
            if is_absent {
                found.stop(key, "audio.store = \"s3\" のときに必要です。設定してください");
            }
        }
        let endpoint = s3.endpoint.as_deref().unwrap_or_default();
        if endpoint.starts_with("http://") && !s3.allow_http {
            found.stop("s3.endpoint", "暗号化されない接続先です。https:// にするか、閉じた経路なら allow_http = true にしてください");
        } else if !endpoint.is_empty()
            && !endpoint.starts_with("http://")
            && !endpoint.starts_with("https://")
        {
            found.stop("s3.endpoint", format!("{endpoint:?} は https:// で始めてください"));
        }
    }

    fn check_uploads(&self, machine: &Machine, found: &mut Problems) {
        let uploads = &self.uploads;
        if uploads.bytes_max == 0 {
            found.stop("uploads.bytes_max", "0 では何も取り込めません。1 以上にしてください");
        }
        found.range("uploads.hours_max", uploads.hours_max, 1, 48);
        if uploads.per_user_bytes_max != 0 && uploads.per_user_bytes_max < uploads.bytes_max {
            found.advise(
                "uploads.per_user_bytes_max",
                "一つのファイルの上限(bytes_max)より小さいため、bytes_max の大きさのファイルは取り込めません",
            );
        }
        let Some(disk_bytes) = machine.disk_bytes else { return };
        if uploads.disk_free_bytes_min >= disk_bytes {
            found.stop("uploads.disk_free_bytes_min", format!(
                "ディスクの大きさ {disk_bytes} バイト以上の空きを求めているため、何も取り込めません。小さくしてください"
            ));
        } else if uploads.bytes_max > disk_bytes - uploads.disk_free_bytes_min {
            found.advise(
                "uploads.bytes_max",
                format!("ディスクの大きさ {disk_bytes} バイトには、上限の大きさのファイルが入りません"),
            );
        }
    }

    fn check_limits(&self, found: &mut Problems) {
        let limits = &self.limits;
        for (key, value, min) in [
            ("limits.sign_ins_per_address_minute", limits.sign_ins_per_address_minute, 1),
            ("limits.sign_ins_per_login_minute", limits.sign_ins_per_login_minute, 1),
            ("limits.requests_per_account_minute", limits.requests_per_account_minute, 60),
            ("limits.requests_per_account_burst", limits.requests_per_account_burst, 20),
            ("limits.seat_requests_per_account_minute", limits.seat_requests_per_account_minute, 6),
            ("limits.seat_calls_per_account_minute", limits.seat_calls_per_account_minute, 60),
        ] {
            found.range(key, value, min, 1_000_000);
        }
    }

    fn check_people(&self, found: &mut Problems) {
        found.range("sessions.idle_minutes", self.sessions.idle_minutes, 1, 10_080);
        found.range("sessions.absolute_hours", self.sessions.absolute_hours, 1, 720);
        if u64::from(self.sessions.idle_minutes) > u64::from(self.sessions.absolute_hours) * 60 {
            found.advise("sessions.idle_minutes", "absolute_hours より長いため、効きません");
        }
        found.range("accounts.password_chars_min", self.accounts.password_chars_min, 8, 128);
        found.range("accounts.lockout_failures", self.accounts.lockout_failures, 1, 100);
        found.range("accounts.lockout_minutes", self.accounts.lockout_minutes, 1, 1_440);
    }

    fn check_work(&self, found: &mut Problems) {
        if self.recognition.model.trim().is_empty() {
            found.stop(
                "recognition.model",
                "モデルの名前を書いてください。使えるものは gijiroku model list で分かります",
            );
        }
        found.range("recognition.threads", self.recognition.threads, 0, 256);
        found.range("recognition.jobs_at_once", self.recognition.jobs_at_once, 1, 64);
        let (audio_days, minutes_days) = (self.retention.audio_days, self.retention.minutes_days);
        found.range("retention.audio_days", audio_days, 0, DAYS_MAX);
        found.range("retention.minutes_days", minutes_days, 0, DAYS_MAX);
        if minutes_days != 0 && (audio_days == 0 || audio_days > minutes_days) {
            found.advise(
                "retention.audio_days",
                "議事録より長く録音を残す設定です。意図したものか確かめてください",
            );
        }
        if let Err(error) = EnvFilter::builder().parse(&self.log.filter) {
            found.stop("log.filter", format!("読み取れません({error})。\"info\" のように書いてください"));
        }
    }

    fn check_backup(&self, found: &mut Problems) {
        found.range("backup.keep", self.backup.keep, 1, 3_650);
        let Some(folder) = &self.backup.folder else {
            if self.backup.key_file.is_some() {
                found.advise(
                    "backup.folder",
                    "フォルダーが無いため、毎日のバックアップを取りません。フォルダーを設定してください",
                );
            }
            return;
        };
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if absolute(folder).starts_with(absolute(&self.data.folder)) {
            found.advise("backup.folder", "データのフォルダーの中にあります。ディスクが壊れると両方失うため、別のディスクにしてください");
        }
        match &self.backup.key_file {
            None => found.advise(
                "backup.key_file",
                "鍵が無いため、毎日のバックアップを取りません。gijiroku backup keygen で作り、設定してください",
            ),
            Some(key) if absolute(key).starts_with(absolute(folder)) => {
                found.advise(
                    "backup.key_file",
                    "鍵がバックアップと同じ場所にあります。別の場所に保管してください",
                );
            }
            Some(_) => {}
        }
    }

    fn check_licence(&self, found: &mut Problems) {
        if let Err(error) = self.licence_keys() {
            found.stop("licence.extra_keys", error.sentence());
        }
    }
}

struct Problems(Vec<Problem>);

impl Problems {
    fn stop(&mut self, key: &'static str, text: impl Into<String>) {
        self.0.push(Problem { key, weight: Weight::Stops, text: text.into() });
    }

    fn advise(&mut self, key: &'static str, text: impl Into<String>) {
        self.0.push(Problem { key, weight: Weight::Advice, text: text.into() });
    }

    fn range(&mut self, key: &'static str, value: u32, min: u32, max: u32) {
        if !(min..=max).contains(&value) {
            self.stop(key, format!("{value} は使えません。{min} ～ {max} にしてください"));
        }
    }
}
