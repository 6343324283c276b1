//! Why a licence, a request or a key is not accepted, for the program and for people.

use super::LicenceId;
use super::day::Day;

/// Why a file changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LicenceError {
    /// Larger than any file of ours: bring the right one.
    #[error("{bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// How large.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// No signed file, or cut off on its way: bring it again.
    #[error("no compact jws")]
    Damaged,
    /// Signed in a way that is not ours: bring the right file.
    #[error("the header is not exactly alg EdDSA and kid")]
    Header,
    /// Signed with a key nobody here believes: another program's licence, or the program is older than the key.
    #[error("key {kid} is unknown")]
    UnknownKey {
        /// The key's name.
        kid: String,
    },
    /// Changed after it was signed, or signed by somebody else: bring it again from its origin.
    #[error("the signature does not fit")]
    Signature,
    /// Properly signed, but it says something this program does not know or allow: update, or ask for another.
    #[error("the terms are not allowed: {what}")]
    Terms {
        /// What is not allowed.
        what: String,
    },
    /// It is installed already: nothing is to be done.
    #[error("licence {id} is installed already")]
    AlreadyInstalled {
        /// The licence.
        id: LicenceId,
    },
    /// Somebody else's: bring this office's own.
    #[error("licence of {customer:?}, here is {here:?}")]
    OtherCustomer {
        /// Whose it is.
        customer: String,
        /// Whose licences are installed.
        here: String,
    },
    /// Older than what is installed: ask for it to be issued anew.
    #[error("number {seq} is not newer than {newest}")]
    Older {
        /// Its number.
        seq: u32,
        /// The highest number installed.
        newest: u32,
    },
    /// Its days are over: ask for the next one.
    #[error("the licence ended on {last}")]
    Over {
        /// Its last day.
        last: Day,
    },
    /// Bound to another host: make a request on this one.
    #[error("{matched} of {n} hashes of the host fit, {k} are needed")]
    OtherHost {
        /// How many of its hashes are this host's.
        matched: u8,
        /// How many must be.
        k: u8,
        /// How many there are.
        n: u8,
    },
    /// The list is full: ask for one file that replaces many.
    #[error("more than {files_max} licences")]
    TooMany {
        /// How many there may be.
        files_max: usize,
    },
    /// No public key: copy it again.
    #[error("no public key: {text:?}")]
    PublicKey {
        /// What was given.
        text: String,
    },
    /// No file with a private key: choose the right one.
    #[error("no private key in the file")]
    KeyFile,
    /// More keys than are looked at: take some out of the settings.
    #[error("more than {keys_max} keys")]
    TooManyKeys {
        /// How many there may be.
        keys_max: usize,
    },
}

impl LicenceError {
    /// Returns the stable word for the wire and the log.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "licence_too_large",
            Self::Damaged => "licence_damaged",
            Self::Header => "licence_header",
            Self::UnknownKey { .. } => "licence_unknown_key",
            Self::Signature => "licence_signature",
            Self::Terms { .. } => "licence_terms",
            Self::AlreadyInstalled { .. } => "licence_already_installed",
            Self::OtherCustomer { .. } => "licence_other_customer",
            Self::Older { .. } => "licence_older",
            Self::Over { .. } => "licence_over",
            Self::OtherHost { .. } => "licence_other_host",
            Self::TooMany { .. } => "licence_too_many",
            Self::PublicKey { .. } => "licence_public_key",
            Self::KeyFile => "licence_key_file",
            Self::TooManyKeys { .. } => "licence_too_many_keys",
        }
    }

    /// Says what happened, that nothing changed, and what to do.
    pub fn sentence(&self) -> String {
        let (what, then) = self.in_words();
        let nothing = match self {
            Self::KeyFile | Self::PublicKey { .. } | Self::TooManyKeys { .. } => "何も変更していません。",
            Self::AlreadyInstalled { .. } => "変更はありません。",
            _ => "いまの席数や利用中の作業は変わっていません。",
        };
        format!("{what}{nothing}{then}")
    }

    fn in_words(&self) -> (String, &'static str) {
        match self {
            Self::TooLarge { bytes, bytes_max } => (
                format!("ファイルが大きすぎます({bytes}バイト、上限{bytes_max}バイト)。"),
                "届いたライセンスのファイルか確かめてください。",
            ),
            Self::Damaged => (
                "ライセンスのファイルとして読み取れません。途中で切れたか、別のファイルです。".to_owned(),
                "届いたものをもう一度コピーしてください。",
            ),
            Self::Header => (
                "このファイルの署名の方式は使えません。".to_owned(),
                "このシステムのライセンスか確かめ、発行元に問い合わせてください。",
            ),
            Self::UnknownKey { kid } => (
                format!("このファイルに署名した鍵({kid})は登録されていません。"),
                "発行元に鍵の番号を伝えて確かめてください。新しい鍵のときはプログラムの更新が必要です。",
            ),
            Self::Signature => (
                "署名が一致しません。発行の後に内容が変わったか、別の者が作ったファイルです。".to_owned(),
                "発行元から届いたファイルをそのまま入れ直してください。",
            ),
            Self::Terms { what } => (
                format!("このプログラムでは扱えない内容が含まれています({what})。"),
                "プログラムを更新するか、発行元に問い合わせてください。",
            ),
            Self::AlreadyInstalled { id } => {
                (format!("このライセンス({id})は登録済みです。"), "そのままお使いください。")
            }
            Self::OtherCustomer { customer, here } => (
                format!(
                    "「{customer}」のライセンスです。このシステムには「{here}」のライセンスが登録されています。"
                ),
                "自庁のライセンスか確かめてください。名称が変わったときは発行元に再発行を依頼してください。",
            ),
            Self::Older { seq, newest } => (
                format!("登録済みのもの(番号{newest})より新しくないライセンス(番号{seq})です。"),
                "最新のファイルを入れてください。手元に無いときは発行元に再発行を依頼してください。",
            ),
            Self::Over { last } => (
                format!("期限({})が過ぎたライセンスです。", last.in_words()),
                "新しい期間のライセンスを入れてください。",
            ),
            Self::OtherHost { matched, k, n } => (
                format!("別のサーバに結び付けられたライセンスです({n}項目のうち一致{matched}、必要{k})。"),
                "このサーバで gijiroku licence request を実行し、発行元に再発行を依頼してください。",
            ),
            Self::TooMany { files_max } => (
                format!("登録できるライセンスは{files_max}件までです。"),
                "発行元に、まとめた一つのライセンスを依頼してください。",
            ),
            Self::PublicKey { text } => {
                (format!("公開鍵として読み取れません({text})。"), "公開鍵の43文字をそのまま写してください。")
            }
            Self::KeyFile => (
                "秘密鍵のファイルではありません。".to_owned(),
                "gijiroku licence keygen で作ったファイルを指定してください。",
            ),
            Self::TooManyKeys { keys_max } => (
                format!("使える公開鍵は{keys_max}個までです。"),
                "設定の licence.extra_keys から使わない鍵を除いてください。",
            ),
        }
    }
}
