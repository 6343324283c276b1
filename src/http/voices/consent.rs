//! The words a person agrees to before the server remembers their voice.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::auth::Caller;
use crate::http::error::Problem;
use crate::store::sessions::Scope;

/// The version of [`TEXT`]; a change of meaning changes it, and consent is asked for anew.
pub const WORDING: &str = "2026-12";

/// What the person reads, or signs on paper.
pub const TEXT: &str = "\
1. 登録するもの: あなたの声の特徴を表す数値(声紋)です。個人情報として扱います。登録に使った録音そのものは保存しません。
2. 使いみち: この部署の会議の議事録で、話した人の氏名の候補を表示するためだけに使います。ほかの目的には使いません。
3. 保存場所: このサーバーの中だけに、暗号化して保存します。外部へは送りません。
4. 期間: 部署で決めた期間(初期設定は 1 年)で自動的に消去します。アカウントの停止と同時にも消去します。
5. 学習: 部署が許可している場合、修正済みで確定した会議から声の特徴を追加で学習します。
6. 取消し: いつでも理由なく消去できます。消去すると、バックアップの中の写しも読めなくなり、消去の記録をお渡しします。
7. 任意: 登録しなくても、不利益はありません。";

/// What is agreed to.
#[derive(Serialize, ToSchema)]
pub struct ConsentWording {
    /// Its version, to be sent with the sample.
    wording: &'static str,
    /// What the person reads.
    text: &'static str,
}

/// Shows the words a person agrees to before the server remembers their voice.
#[utoipa::path(get, path = "/v1/voices/consent", tag = "voices",
    responses((status = 200, body = ConsentWording), (status = 401, body = Problem)))]
pub async fn consent(caller: Caller) -> Result<Json<ConsentWording>, Problem> {
    caller.require_scope(Scope::Read)?;
    Ok(Json(ConsentWording { wording: WORDING, text: TEXT }))
}
