//! The vendor's half: a key, and files signed with it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Deserialize;

use super::{qr, read};
use crate::cli::files;
use crate::clock::UnixMs;
use crate::seats::licence::day::Day;
use crate::seats::licence::host::{Bind, HostHash};
use crate::seats::licence::keys::SigningKey;
use crate::seats::licence::request::Request;
use crate::seats::licence::shown;
use crate::seats::licence::standing::EVALUATION_FEATURE;
use crate::seats::licence::{Burst, Kind, Licence, LicenceId, PoolTerms, Zone};
use crate::store::{Id, instance};

/// For how many days after the end new seats are given, unless the order says otherwise.
const GRACE_DAYS: u32 = 14;

/// Signs a licence.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file with the private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file for the licence
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The request of the host it is bound to; twice for a standby; bound to the organisation if absent
    #[arg(long = "request", value_name = "FILE")]
    requests: Vec<PathBuf>,
    /// The order as TOML, instead of the options below
    #[arg(long, value_name = "FILE", required_unless_present = "customer", conflicts_with_all = ["customer", "seq", "seats"])]
    order: Option<PathBuf>,
    #[command(flatten)]
    terms: Terms,
    /// Print it as a QR code, too
    #[arg(long)]
    qr: bool,
}

#[derive(Debug, clap::Args)]
struct Terms {
    /// Whose it is
    #[arg(long, requires = "seq", requires = "seats", requires = "from", requires = "until")]
    customer: Option<String>,
    /// Its number: higher than any before of this customer
    #[arg(long)]
    seq: Option<u32>,
    /// How many seats
    #[arg(long)]
    seats: Option<u32>,
    /// Which kind of seats
    #[arg(long, default_value = EVALUATION_FEATURE)]
    feature: String,
    /// The first day, as 2027-04-01
    #[arg(long, value_parser = Day::parse)]
    from: Option<Day>,
    /// The last day
    #[arg(long, value_parser = Day::parse)]
    until: Option<Day>,
    /// For how many days after the last one new seats are given
    #[arg(long, default_value_t = GRACE_DAYS)]
    grace_days: u32,
    /// Times the seats in a disaster
    #[arg(long, requires = "burst_days")]
    burst_x: Option<u32>,
    /// On how many days a year
    #[arg(long, requires = "burst_x")]
    burst_days: Option<u32>,
    /// The name of a licence that this one replaces
    #[arg(long, value_name = "ID")]
    supersedes: Vec<String>,
}

/// What was ordered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    customer: String,
    seq: u32,
    pools: Vec<PoolTerms>,
    valid: [Day; 2],
    /// A name of its own if absent.
    id: Option<LicenceId>,
    #[serde(default = "contract")]
    kind: Kind,
    /// Today if absent.
    issued: Option<Day>,
    #[serde(default = "grace_days")]
    grace_days: u32,
    /// How many hashes of the host must fit; three in five if absent.
    bind_k: Option<u8>,
    #[serde(default)]
    supersedes: Vec<LicenceId>,
}

const fn contract() -> Kind {
    Kind::Contract
}

const fn grace_days() -> u32 {
    GRACE_DAYS
}

/// Makes a signing key.
///
/// Errors: the file is there already, or cannot be written.
pub fn keygen(to: &Path) -> anyhow::Result<ExitCode> {
    let key = SigningKey::from_seed(&rand::random());
    instance::write_new(to, &key.file_text()).with_context(|| format!("{} に書けません", to.display()))?;
    println!(
        "{} に秘密鍵を作りました。このファイルを外に出さず、控えを金庫などに保管してください。\n\
         鍵の番号: {}\n公開鍵: {}",
        to.display(),
        key.public().kid(),
        key.public()
    );
    Ok(ExitCode::SUCCESS)
}

/// Signs a licence.
///
/// Errors: a file cannot be read or written, the order is not allowed; no file is written then.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = zeroize::Zeroizing::new(files::read_text(&args.key)?);
    let key = SigningKey::parse(&text).map_err(|error| anyhow::anyhow!(error.sentence()))?;
    let order = match &args.order {
        Some(path) => toml::from_str(&files::read_text(path)?)
            .with_context(|| format!("注文 {} を読み取れません", path.display()))?,
        None => ordered(&args.terms)?,
    };
    let mut requests = Vec::new();
    for path in &args.requests {
        let request = Request::open(&read(path)?);
        requests.push(request.map_err(|error| anyhow::anyhow!("{}: {}", path.display(), error.sentence()))?);
    }
    let licence = licence(order, &requests)?;
    let signed = licence.issue(&key).context("発行していません。注文の内容を確かめてください")?;
    files::write(Some(&args.to), &format!("{signed}\n"))?;
    println!("{} に発行しました。\n{}", args.to.display(), shown::licence(&licence));
    if args.qr {
        println!("{}", qr(&signed)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn ordered(terms: &Terms) -> anyhow::Result<Order> {
    let missing = "--customer --seq --seats --from --until が必要です";
    let burst = terms.burst_x.zip(terms.burst_days).map(|(x, days)| Burst { x, days });
    let pool = PoolTerms { feature: terms.feature.clone(), seats: terms.seats.context(missing)?, burst };
    let names = terms.supersedes.iter().map(|id| LicenceId::try_from(id.clone()).map_err(anyhow::Error::msg));
    Ok(Order {
        customer: terms.customer.clone().context(missing)?,
        seq: terms.seq.context(missing)?,
        pools: vec![pool],
        valid: [terms.from.context(missing)?, terms.until.context(missing)?],
        id: None,
        kind: Kind::Contract,
        issued: None,
        grace_days: terms.grace_days,
        bind_k: None,
        supersedes: names.collect::<anyhow::Result<_>>()?,
    })
}

fn licence(order: Order, requests: &[Request]) -> anyhow::Result<Licence> {
    let id = LicenceId::try_from(Id::new().to_string()).map_err(anyhow::Error::msg)?;
    let hosts = u8::try_from(requests.len().max(1)).context("申請が多すぎます")?;
    Ok(Licence {
        id: order.id.unwrap_or(id),
        customer: order.customer,
        seq: order.seq,
        issued: order.issued.unwrap_or_else(|| Day::in_japan(UnixMs::now())),
        kind: order.kind,
        pools: order.pools,
        valid: order.valid,
        tz: Zone::Tokyo,
        grace_days: order.grace_days,
        bind: bind(requests, order.bind_k),
        hosts,
        supersedes: order.supersedes,
    })
}

/// Binds to the hosts that asked; a hash that two of them share stands there once.
fn bind(requests: &[Request], k: Option<u8>) -> Option<Bind> {
    let n = requests.iter().map(|request| request.hashes.len()).max()?;
    let n = u8::try_from(n).ok()?;
    let mut hashes: Vec<HostHash> = Vec::new();
    for hash in requests.iter().flat_map(|request| &request.hashes) {
        if !hashes.contains(hash) {
            hashes.push(*hash);
        }
    }
    Some(Bind { k: k.unwrap_or_else(|| (n * 3).div_ceil(5)), n, hashes })
}
