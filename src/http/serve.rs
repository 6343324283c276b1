//! The listening end: plain or with TLS, until told to stop.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;

/// How long requests under way may take after the wish to stop.
const GOODBYE: Duration = Duration::from_secs(20);
/// How long a client may take to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate with its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why the service could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificate or its key cannot be used: look at the files.
    #[error("the certificate {} or its key cannot be used", certificate.display())]
    Certificate {
        /// The certificate's file.
        certificate: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The socket failed.
    #[error("the socket failed")]
    Socket(#[from] std::io::Error),
}

/// Answers on every listener until `stop` comes; then lets what is under way end.
///
/// Errors: see [`ServeError`].
pub async fn serve(
    listeners: Vec<TcpListener>,
    tls: Option<&Tls>,
    router: Router,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let tls = match tls {
        Some(tls) => Some(certificate(tls).await?),
        None => None,
    };
    let handle = Handle::new();
    let mut servers = tokio::task::JoinSet::new();
    for listener in listeners {
        listener.set_nonblocking(true)?;
        let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let handle = handle.clone();
        match tls.clone() {
            Some(tls) => {
                let mut server = axum_server::from_tcp_rustls(listener, tls)?.handle(handle);
                limit(server.http_builder());
                servers.spawn(server.serve(service));
            }
            None => {
                let mut server = axum_server::from_tcp(listener)?.handle(handle);
                limit(server.http_builder());
                servers.spawn(server.serve(service));
            }
        }
    }
    stop.await;
    handle.graceful_shutdown(Some(GOODBYE));
    while let Some(ended) = servers.join_next().await {
        ended.map_err(std::io::Error::other)??;
    }
    Ok(())
}

fn limit<E>(builder: &mut hyper_util::server::conn::auto::Builder<E>) {
    builder.http1().timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
}

async fn certificate(tls: &Tls) -> Result<RustlsConfig, ServeError> {
    // Another crate may have chosen the provider already; it is the same one.
    rustls::crypto::ring::default_provider().install_default().ok();
    let loaded = RustlsConfig::from_pem_file(&tls.certificate, &tls.key).await;
    loaded.map_err(|source| ServeError::Certificate { certificate: tls.certificate.clone(), source })
}
