//! What a browser gets that asks for no API.

use axum::http::{Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse as _, Response};

use super::error::{Code, Problem};

/// Shows the page of the product; unknown paths below the API are refused as such.
pub async fn page(method: Method, uri: Uri) -> Response {
    let is_api = ["/v1/", "/healthz", "/metrics"].iter().any(|prefix| uri.path().starts_with(prefix));
    if is_api || !matches!(method, Method::GET | Method::HEAD) {
        return Problem::new(Code::NotFound).into_response();
    }
    (StatusCode::OK, Html(PAGE)).into_response()
}

const PAGE: &str = "<!doctype html><html lang=\"ja\"><meta charset=\"utf-8\"><title>議事録</title>\
<p>サーバーは動いています。画面はまだ組み込まれていません。API の説明は /openapi.json にあります。";
