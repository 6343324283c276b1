//! The office's server: its address, the token that opens it, TLS, and the session that a recording is told under.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::spool::Recording;
use crate::audio::frames::FRAME_BYTES_MAX;
use crate::audio::record::MESSAGE_BYTES_MAX;
use crate::config::Secret;

/// How long the server may take to answer a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The server, as this machine reaches it.
#[derive(Debug, Clone)]
pub struct Office {
    root: Uri,
    token: Secret,
    tls: Arc<ClientConfig>,
    http: reqwest::Client,
}

/// A line that carries a WebSocket.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// An open socket.
pub type Socket = WebSocketStream<Box<dyn Line>>;

/// Why the server cannot be used now; each is another thing to do.
#[derive(Debug, thiserror::Error)]
pub enum Setback {
    /// It is not there, or broke off: try again soon.
    #[error("サーバーに接続できません: {0:#}")]
    Away(anyhow::Error),
    /// It says no, and will until a person changes something: try again slowly.
    #[error("サーバーが断りました ({status}): {told}")]
    Refused {
        /// The status.
        status: u16,
        /// Its sentence, or what to do.
        told: String,
    },
}

#[derive(Debug, Deserialize)]
struct Session {
    live: String,
}

impl Office {
    /// Prepares to speak with the server at `address`, trusting `authority` or else what this machine trusts.
    ///
    /// Errors: the address is none, a file cannot be read.
    pub fn new(address: &str, token: Secret, authority: Option<&Path>) -> anyhow::Result<Self> {
        let told = || format!("サーバーのアドレス「{address}」は http:// か https:// で始めてください");
        let root: Uri = address.trim_end_matches('/').parse().with_context(told)?;
        let is_known = matches!(root.scheme_str(), Some("http" | "https"));
        anyhow::ensure!(is_known && root.host().is_some() && root.query().is_none(), told());
        let tls = tls(authority)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .no_proxy()
            .timeout(ANSWER_WITHIN)
            .build()
            .context("HTTP を用意できません")?;
        Ok(Self { root, token, tls: Arc::new(tls), http })
    }

    /// Begins the session of a recording, or finds the one of its meeting that goes on; returns its name. Whose answer was
    /// lost gets the same session again by the recording's own `name`, and no second one.
    ///
    /// Errors: [`Setback`].
    pub async fn begin(&self, recording: &Recording, name: Option<&str>) -> Result<String, Setback> {
        let Recording { title, meeting, room, .. } = recording;
        let wish = json!({ "request_id": name, "title": title, "meeting_id": meeting, "room": room });
        let answer = self
            .http
            .post(self.url("/v1/live"))
            .bearer_auth(self.token.reveal())
            .json(&wish)
            .send()
            .await
            .map_err(|error| Setback::Away(error.without_url().into()))?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(|error| Setback::Away(error.without_url().into()))?;
        if !(200..300).contains(&status) {
            return Err(setback(status, &body));
        }
        let session: Session = serde_json::from_slice(&body).map_err(|error| Setback::Away(error.into()))?;
        Ok(session.live)
    }

    /// Opens the socket of one microphone.
    ///
    /// Errors: [`Setback`].
    pub async fn connect(&self, live: &str, stream: usize) -> Result<Socket, Setback> {
        let opening = self.open(live, stream);
        let late = || Setback::Away(anyhow::anyhow!("応答がありません"));
        tokio::time::timeout(ANSWER_WITHIN, opening).await.map_err(|_| late())?
    }

    async fn open(&self, live: &str, stream: usize) -> Result<Socket, Setback> {
        let away = |error: anyhow::Error| Setback::Away(error);
        let url = self.url(&format!("/v1/live/{live}/record?stream={stream}"));
        // http becomes ws, https becomes wss.
        let mut request =
            url.replacen("http", "ws", 1).into_client_request().map_err(|error| away(error.into()))?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.token.reveal()));
        request.headers_mut().insert("authorization", bearer.map_err(|error| away(error.into()))?);
        let line = self.line().await.map_err(away)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX))
            // A frame goes out at once; what the line does not take is bounded by one more.
            .write_buffer_size(0)
            .max_write_buffer_size(2 * FRAME_BYTES_MAX);
        match client_async_with_config(request, line, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                Err(setback(answer.status().as_u16(), &body))
            }
            Err(error) => Err(away(error.into())),
        }
    }

    async fn line(&self) -> anyhow::Result<Box<dyn Line>> {
        let host = self.root.host().context("the address has a host")?.trim_matches(['[', ']']);
        let is_secret = self.root.scheme_str() == Some("https");
        let port = self.root.port_u16().unwrap_or(if is_secret { 443 } else { 80 });
        let line = TcpStream::connect((host, port)).await?;
        line.set_nodelay(true)?;
        if !is_secret {
            return Ok(Box::new(line));
        }
        let name = ServerName::try_from(host.to_owned())?;
        Ok(Box::new(TlsConnector::from(Arc::clone(&self.tls)).connect(name, line).await?))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.root.to_string().trim_end_matches('/'))
    }
}

/// Reads an answer that is none: what a person has to change, or only a bad moment.
fn setback(status: u16, body: &[u8]) -> Setback {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Problem {
        detail: Option<String>,
        title: Option<String>,
    }
    let is_moment = matches!(status, 408 | 425 | 429 | 500..=599);
    if is_moment || StatusCode::from_u16(status).is_ok_and(|status| status.is_redirection()) {
        return Setback::Away(anyhow::anyhow!("状態 {status}"));
    }
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let told = problem.detail.or(problem.title).unwrap_or_else(|| match status {
        401 => "トークンが正しいか、期限が切れていないか、確認してください".into(),
        403 => "このトークンの利用者には録音の権限がありません".into(),
        404 => "会議がサーバーにありません".into(),
        _ => "サーバーの管理者に問い合わせてください".into(),
    });
    Setback::Refused { status, told }
}

fn tls(authority: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(path) => {
            let told = || format!("認証局の証明書 {} を読めません", path.display());
            for certificate in CertificateDer::pem_file_iter(path).with_context(told)? {
                roots.add(certificate.with_context(told)?).with_context(told)?;
            }
            anyhow::ensure!(!roots.is_empty(), "{} に証明書がありません", path.display());
        }
        None => {
            // A machine without any is told when it meets an https server.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(versions.context("TLS を用意できません")?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office(address: &str) -> anyhow::Result<Office> {
        Office::new(address, Secret::new("gjr_x".into()), None)
    }

    #[test]
    fn addresses_that_are_none_are_refused_with_what_is_wanted() {
        for wrong in ["gijiroku.example", "ftp://a", "ws://a", "http://", "https://a?b=c", ""] {
            let refused = office(wrong).expect_err(wrong).to_string();
            assert!(refused.contains("https://"), "{refused}");
        }
        assert_eq!(
            office("https://a.example:8443/").expect("it is one").url("/v1/live"),
            "https://a.example:8443/v1/live"
        );
        assert_eq!(office("http://[::1]:80").expect("it is one").url("/x"), "http://[::1]:80/x");
    }

    #[test]
    fn a_token_is_not_shown_when_an_office_is() {
        assert!(!format!("{:?}", office("http://a").expect("it is one")).contains("gjr_x"));
    }

    #[test]
    fn a_bad_moment_is_told_from_a_refusal() {
        assert!(matches!(setback(503, b""), Setback::Away(_)));
        assert!(matches!(setback(429, b""), Setback::Away(_)));
        let told = |status, body: &[u8]| match setback(status, body) {
            Setback::Refused { told, .. } => told,
            Setback::Away(error) => panic!("{error}"),
        };
        assert_eq!(told(409, r#"{"detail":"終わりました"}"#.as_bytes()), "終わりました");
        assert!(told(401, b"<html>").contains("トークン"));
    }
}
