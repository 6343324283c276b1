//! Every setting: its name, its type, its default, and the sentences that document it.
//!
//! The sentences are Japanese because they are the text of the file an administrator edits: `Config::reference`
//! prints them as they stand here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values::{AudioStore, Listen, LogFormat, Secret, Trying};
use crate::seats::licence::keys::PublicKey;

/// One setting, as the reference and the messages name it.
#[derive(Debug)]
pub struct Key {
    /// The section it stands in.
    pub section: &'static str,
    /// What the section is for, line by line.
    pub section_doc: &'static [&'static str],
    /// Its name.
    pub name: &'static str,
    /// What it means, line by line.
    pub doc: &'static [&'static str],
    /// A value as TOML, for a setting that has no default.
    pub example: Option<&'static str>,
}

impl Key {
    /// Returns the name with its section, as `section.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// Makes the structs, their defaults and the list of keys from one text, so that none of them can lag behind.
macro_rules! sections {
    (@example) => { None };
    (@example $example:literal) => { Some($example) };
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr $(, $example:literal)?; )+
        }
    )+) => {
        /// All settings of the product.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Config {
            $( $(#[doc = $section_doc])+ pub $section: $Section, )+
        }
        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields, default)]
            pub struct $Section {
                $( $(#[doc = $doc])+ pub $key: $type, )+
            }

            impl $Section {
                const DOC: &'static [&'static str] = &[$($section_doc),+];
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $( $key: $default, )+ }
                }
            }
        )+

        /// All keys, in the order of the reference.
        pub const KEYS: &[Key] = &[$($(Key {
            section: stringify!($section),
            section_doc: $Section::DOC,
            name: stringify!($key),
            doc: &[$($doc),+],
            example: sections!(@example $($example)?),
        },)+)+];
    };
}

sections! {
    /// 受付: どこで待ち受け、どう名乗るか
    server: Server {
        /// 待ち受けるアドレスとポートです。複数のときは `["127.0.0.1:8080", "192.0.2.10:8080"]` のように並べます(16 個まで)。
        /// 庁内の他の端末から使うには "0.0.0.0:8443" のように変え、証明書か中継サーバーを用意してください。
        listen: Listen = Listen::default();
        /// 利用者のブラウザーから見た URL です。招待や通知に載ります。無ければ待ち受けアドレスから作ります。
        public_url: Option<String> = None, "\"https://gijiroku.example.lg.jp\"";
        /// TLS 証明書(PEM、中間証明書を含む)のファイルです。tls_key と一組で使います。
        tls_certificate: Option<PathBuf> = None, "\"/etc/gijiroku/server.crt\"";
        /// TLS 秘密鍵(PEM)のファイルです。
        tls_key: Option<PathBuf> = None, "\"/etc/gijiroku/server.key\"";
        /// X-Forwarded-For を信じてよい中継サーバーのアドレスです(32 個まで)。それ以外から届いたものは無視します。
        trusted_proxies: Vec<core::net::IpAddr> = Vec::new();
    }
    /// データの置き場所
    data: Data {
        /// データベース、取込中のファイル、録音を置くフォルダーです。
        folder: PathBuf = PathBuf::from("data");
    }
    /// データベース
    database: Database {
        /// PostgreSQL の接続先です。無ければデータのフォルダーの SQLite を使います。パスワードを含むため画面に出しません。
        url: Option<Secret> = None, "\"postgres://gijiroku:password@db.example.lg.jp/gijiroku\"";
        /// 接続先を書いたファイルです。url の代わりに使います。
        url_file: Option<PathBuf> = None, "\"/etc/gijiroku/database_url\"";
        /// 同時に開く接続の上限です(1 ～ 1000)。
        connections_max: u32 = 16;
    }
    /// 録音の置き場所
    audio: Audio {
        /// "local"(データのフォルダー)か "s3"(S3 互換のストレージ)です。
        store: AudioStore = AudioStore::Local;
    }
    /// S3 互換のストレージ。audio.store = "s3" のときだけ使います。
    /// 中断した送信の断片が残らないよう、未完了のマルチパートを数日で消す規則をバケット側に設定してください。
    s3: S3 {
        /// バケットの名前です。
        bucket: Option<String> = None, "\"gijiroku\"";
        /// 接続先です。パス形式(接続先/バケット/キー)で使います。
        endpoint: Option<String> = None, "\"https://s3.example.lg.jp\"";
        /// リージョンです。庁内のストレージでは既定のままで構いません。
        region: String = "us-east-1".into();
        /// アクセスキーです。
        access_key: Option<String> = None, "\"gijiroku\"";
        /// シークレットキーです。
        secret_key: Option<Secret> = None, "\"secret\"";
        /// シークレットキーを書いたファイルです。secret_key の代わりに使います。
        secret_key_file: Option<PathBuf> = None, "\"/etc/gijiroku/s3_secret_key\"";
        /// 庁内の認証局の証明書(PEM)です。接続先の証明書を確かめるのに使います。
        ca_certificate: Option<PathBuf> = None, "\"/etc/gijiroku/ca.crt\"";
        /// 暗号化されない http:// の接続先を許します。同じサーバー内など、閉じた経路だけで使ってください。
        allow_http: bool = false;
        /// キーの前に付ける名前です。一つのバケットを他のシステムと分けて使うときに指定します。
        prefix: String = String::new(), "\"gijiroku\"";
    }
    /// 取込
    uploads: Uploads {
        /// 一つのファイルの上限(バイト)です。
        bytes_max: u64 = 20 << 30;
        /// 一つの録音の長さの上限(時間)です(1 ～ 48)。これを超えた録音は保存しますが、文字起こしは失敗になります。
        hours_max: u32 = 12;
        /// 一人が置ける録音の合計の上限(バイト)です。0 は上限なしです。
        per_user_bytes_max: u64 = 0;
        /// 途中で止まった取込を「期限切れ」と表示するまでの日数です。表示の 90 日後までは続きを送れ、その後に消します。
        unfinished_days: u32 = 7;
        /// ディスクの空きがこれ(バイト)を下回る取込は、始める前に断ります。
        disk_free_bytes_min: u64 = 2 << 30;
    }
    /// ログインの有効期間
    sessions: Sessions {
        /// 操作が無いままログアウトするまでの時間(分)です。
        idle_minutes: u32 = 480;
        /// 操作していてもログインし直すまでの時間です。
        absolute_hours: u32 = 24;
    }
    /// 利用者とパスワード
    accounts: Accounts {
        /// パスワードの最小文字数です(8 ～ 128)。
        password_chars_min: u32 = 12;
        /// 続けて間違えてよい回数です。これを超えると一時的にログインを止めます。
        lockout_failures: u32 = 5;
        /// ログインを止める時間(分)です。
        lockout_minutes: u32 = 15;
    }
    /// 要求の回数の上限。超えた要求は断り、待つ秒数を知らせます。
    limits: Limits {
        /// 一つのアドレスから、ログインや設定リンクを 1 分に使える回数です。端末が中継サーバーを通るときは大きくしてください。
        sign_ins_per_address_minute: u32 = 60;
        /// 一つのログイン名で、1 分にログインできる回数です。
        sign_ins_per_login_minute: u32 = 10;
        /// 一人(またはトークン一つ)が 1 分に送れる要求の数です。
        requests_per_account_minute: u32 = 3000;
        /// 一人(またはトークン一つ)が休んだあとに続けて送れる要求の数です。
        requests_per_account_burst: u32 = 200;
        /// 一人が 1 分に席を求められる回数です(続けて 5 回まで)。
        seat_requests_per_account_minute: u32 = 60;
        /// 一人が 1 分に送れる、席についてのほかの要求の数です(利用中の合図、順番待ちの確認など)。
        seat_calls_per_account_minute: u32 = 600;
    }
    /// 文字起こし
    recognition: Recognition {
        /// モデルの名前です。使えるものは gijiroku model list で分かります。
        model: String = "base".into();
        /// 使うスレッドの数です。0 はすべてのコアです(256 まで)。
        threads: u32 = 0;
        /// "accurate"(誤りが最も少ない)か "fast"(速い)です。
        preset: Trying = Trying::Accurate;
        /// 同時に処理する録音の数です(1 ～ 64)。
        jobs_at_once: u32 = 1;
        /// 会議中の字幕に、声で見分けた仮の話者(話者1、話者2 …)を付けます。議事録の話者は会議の後に録音全体から見分け直します。
        live_speakers: bool = true;
    }
    /// 保存期間。会議ごとの消去日が決まっていない会議だけに効きます。過ぎたものは消去し、元に戻せません。
    /// 会議を最後に変更した日から数えます。法的保留の会議、削除して戻せる間の会議、見本の会議は対象になりません。
    /// 日数を変えてから 7 日間は消去しません。その間に消去予定の一覧で確かめられます。
    retention: Retention {
        /// 録音を保存する日数です(36500 まで)。0 は消しません。
        audio_days: u32 = 0;
        /// 文字起こしと議事録を保存する日数です(36500 まで)。0 は消しません。
        minutes_days: u32 = 0;
    }
    /// 動作の記録
    log: Log {
        /// "text"(人が読む)か "json"(収集して検索する)です。
        format: LogFormat = LogFormat::Text;
        /// 何を記録するかです。例: "info,gijiroku=debug"。話された言葉はどの設定でも記録しません。
        filter: String = "info".into();
    }
    /// バックアップ。folder と key_file の両方があれば、毎日午前 2 時(日本時間)かその後の最初の機会に取ります。
    /// 失敗しても業務は止まりません。動作の記録と /metrics の gijiroku_backup_age_seconds で分かります。
    backup: Backup {
        /// バックアップを書くフォルダーです。先に作り、データのフォルダーと別のディスクを指定してください。
        folder: Option<PathBuf> = None, "\"/mnt/backup/gijiroku\"";
        /// バックアップを暗号化する鍵のファイルです。gijiroku backup keygen で作れます。鍵はバックアップと別の場所に保管してください。
        key_file: Option<PathBuf> = None, "\"/etc/gijiroku/backup.key\"";
        /// 残すバックアップの数です(1 ～ 3650)。古いものから消します。欠けのない最後の一つは消しません。
        keep: u32 = 14;
    }
    /// ライセンス
    licence: Licence {
        /// 発行元のほかに署名を認める公開鍵です(15 個まで)。自庁やグループ内で席数のライセンスを発行するときに、
        /// gijiroku licence keygen が表示した公開鍵を書きます。書いた鍵で作られたライセンスはすべて有効になります。
        extra_keys: Vec<PublicKey> = Vec::new();
    }
}
