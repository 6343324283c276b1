//! What a browser gets that asks for no API: the pages of the product, built from `web/` and embedded.

use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse as _, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::{Code, Problem};

/// Nothing is loaded from anywhere else, and no other page shows this one. The editor and the waveform make their own
/// style elements; scripts come from files only.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
                      media-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'self'";
/// A page may ask for the microphone of the room, and for nothing else of the device.
const PERMISSIONS: &str = "microphone=(self), camera=(), geolocation=(), payment=(), usb=()";
/// Names below `assets/` hold a hash of their content: what was loaded once is never asked for again.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Everything else is asked for each time, and answered with 304 while it is the same.
const ASK_AGAIN: &str = "no-cache";
/// The document of every page.
const DOCUMENT: &str = "index.html";

/// What `npm run build` wrote; empty where that was never run.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Bundle;

/// Shows the page of the product; unknown paths below the API are refused as such.
pub async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let is_api = ["/v1/", "/healthz", "/metrics"].iter().any(|prefix| uri.path().starts_with(prefix));
    if is_api || !matches!(method, Method::GET | Method::HEAD) {
        return Problem::new(Code::NotFound).into_response();
    }
    let name = uri.path().trim_start_matches('/');
    if is_file(name) {
        return answer(name, &headers);
    }
    // A page that is open while the server is renewed asks for a script of yesterday: a document would not help it.
    if name.starts_with("assets/") {
        return Problem::new(Code::NotFound).into_response();
    }
    if is_file(DOCUMENT) {
        return answer(DOCUMENT, &headers);
    }
    let policy =
        [(CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")];
    (StatusCode::OK, policy, Html(UNBUILT)).into_response()
}

/// Says what is missing, and how it comes.
const UNBUILT: &str = include_str!("web/unbuilt.html");

/// Tells whether the bundle has a file that may be asked for by name; its compressed twins may not.
fn is_file(name: &str) -> bool {
    !name.is_empty() && kind(name).is_some() && Bundle::get(name).is_some()
}

fn answer(name: &str, headers: &HeaderMap) -> Response {
    let Some((file, encoding)) = chosen(name, headers) else {
        return Problem::new(Code::NotFound).into_response();
    };
    let tag = tag(&file, encoding);
    let caching = if name.starts_with("assets/") { FOR_EVER } else { ASK_AGAIN };
    let about = [
        (ETAG, tag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static(caching)),
        (VARY, HeaderValue::from_static("accept-encoding")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS)),
    ];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let mut response = (StatusCode::OK, about, file.data).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind(name).unwrap_or("application/octet-stream")));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// Returns the file as the browser likes it best: each was compressed when the bundle was made.
fn chosen(name: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (encoding, suffix) in [("br", ".br"), ("gzip", ".gz")] {
        if accepted.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim() == encoding))
            && let Some(file) = Bundle::get(&format!("{name}{suffix}"))
        {
            return Some((file, Some(encoding)));
        }
    }
    Bundle::get(name).map(|file| (file, None))
}

/// Names the content: half of its sha256, and how it is compressed.
fn tag(file: &EmbeddedFile, encoding: Option<&str>) -> HeaderValue {
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("\"{hash}-{}\"", encoding.unwrap_or("plain"));
    HeaderValue::from_str(&text).expect("hexadecimal digits and fixed words are a header's text")
}

/// Returns what a file is, by the end of its name; nothing for what a browser does not ask for.
fn kind(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    Some(match end {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(path: &str, headers: HeaderMap) -> Response {
        page(Method::GET, path.parse().expect("it is a path"), headers).await
    }

    #[tokio::test]
    async fn every_address_of_a_page_gets_a_document_with_a_policy_that_names_no_other_host() {
        for path in ["/", "/meetings/1", "/setup"] {
            let response = asked(path, HeaderMap::new()).await;
            assert_eq!(response.status(), StatusCode::OK);
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().expect("it is text");
            assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
        }
    }

    #[tokio::test]
    async fn what_is_below_the_api_or_a_script_of_another_version_is_not_found() {
        for path in ["/v1/nothing", "/assets/index-old.js"] {
            assert_eq!(asked(path, HeaderMap::new()).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn what_a_browser_has_already_is_not_sent_again() {
        // Without a bundle there is nothing that could be sent again.
        let Some(name) = Bundle::iter().find(|name| name.ends_with(".js")) else { return };
        let first = asked(&format!("/{name}"), HeaderMap::new()).await;
        assert_eq!(first.headers()[CACHE_CONTROL], FOR_EVER);
        let known = HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]);
        assert_eq!(asked(&format!("/{name}"), known).await.status(), StatusCode::NOT_MODIFIED);
    }

    #[tokio::test]
    async fn a_browser_that_knows_brotli_gets_it() {
        let Some(name) = Bundle::iter().find(|name| name.ends_with(".js.br")) else { return };
        let accepts =
            HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br"))]);
        let response = asked(&format!("/{}", name.trim_end_matches(".br")), accepts).await;
        assert_eq!(response.headers()[CONTENT_ENCODING], "br");
        assert_eq!(response.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
    }
}
