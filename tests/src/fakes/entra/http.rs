//! The endpoints.

use super::{
    directory::{Call, Directory, Granted},
    fault::{Fault, Kind},
    listener::{Acceptor, Cut},
    page, token,
    wire::{Failure, json_answer},
};
use axum::{
    Router,
    extract::{ConnectInfo, Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

type Form = HashMap<String, String>;

pub(super) async fn serve(acceptor: Acceptor, directory: Arc<Directory>, stop: CancellationToken) {
    let app = Router::new()
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device_code))
        .route("/{tenant}/oauth2/v2.0/token", post(token).get(get_token))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(discovery),
        )
        .route("/devicelogin", get(page::show).post(page::submit))
        .with_state(directory);
    let service = app.into_make_service_with_connect_info::<Cut>();
    stop.run_until_cancelled(axum::serve(acceptor, service).into_future())
        .await;
}

async fn device_code(
    State(directory): State<Arc<Directory>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(tenant): Path<String>,
    body: String,
) -> Response {
    let fault = directory.called(Call::DeviceCode);
    faulty(fault, &cut, || {
        match begin(&directory, &tenant, &parse(&body)) {
            Ok(response) => response,
            Err(failure) => failure.into_response(),
        }
    })
    .await
}

fn begin(directory: &Directory, tenant: &str, form: &Form) -> Result<Response, Failure> {
    require(form, "client_id")?;
    let scope = require(form, "scope")?;
    check_scope(scope)?;
    let (user_code, device_code) = directory.device_code(tenant, scope);
    let link = format!("{}/devicelogin", directory.base());
    let settings = directory.settings();
    let body = json!({
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri": link,
        "expires_in": settings.code_lifetime,
        "interval": settings.interval,
        "message": format!(
            "To sign in, use a web browser to open the page {link} and enter the code {user_code} \
             to authenticate."
        ),
    });
    Ok(json_answer(200, &body))
}

async fn token(
    State(directory): State<Arc<Directory>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(tenant): Path<String>,
    body: String,
) -> Response {
    let form = parse(&body);
    let fault = match form.get("grant_type").map(String::as_str) {
        Some("refresh_token") => directory.called(Call::Refresh),
        Some(_) => directory.called(Call::Poll),
        None => None,
    };
    faulty(fault, &cut, || match grant(&directory, &tenant, &form) {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    })
    .await
}

fn grant(directory: &Directory, tenant: &str, form: &Form) -> Result<Response, Failure> {
    let client = require(form, "client_id")?;
    let secret = directory.settings().client_secret.clone();
    match (secret.as_deref(), form.get("client_secret")) {
        (Some(_), None) => return Err(Failure::secret_missing()),
        (Some(right), Some(given)) if right != given => return Err(Failure::secret_wrong()),
        _ => {}
    }
    let granted = match require(form, "grant_type")? {
        "urn:ietf:params:oauth:grant-type:device_code" => {
            directory.redeem(tenant, require(form, "device_code")?)?
        }
        "refresh_token" => {
            let scope = form.get("scope").map(String::as_str);
            scope.map(check_scope).transpose()?;
            directory.refresh(require(form, "refresh_token")?, scope)?
        }
        other => return Err(Failure::bad_grant_type(other)),
    };
    Ok(success(directory, client, granted))
}

fn success(directory: &Directory, client: &str, granted: Granted) -> Response {
    let words: Vec<_> = granted.scope.split_ascii_whitespace().collect();
    let lifetime = Duration::from_secs(granted.lifetime);
    // Entra does not echo `offline_access` among the granted scopes.
    let scope = words
        .iter()
        .filter(|word| **word != "offline_access")
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    let mut body = json!({
        "token_type": "Bearer",
        "scope": scope,
        "expires_in": granted.lifetime,
        "ext_expires_in": granted.lifetime,
        "access_token": granted.access_token,
    });
    if let Some(refresh_token) = granted.refresh_token
        && words.contains(&"offline_access")
    {
        body["refresh_token"] = json!(refresh_token);
    }
    if words.contains(&"openid") {
        let id_token = token::id_token(directory.base(), &granted.account, client, lifetime);
        body["id_token"] = json!(id_token);
    }
    json_answer(200, &body)
}

async fn get_token() -> Response {
    let text = "The endpoint only accepts POST requests. Received a GET request.";
    Failure::new(400, "invalid_request", 900_561, text).into_response()
}

async fn discovery(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
) -> Response {
    let base = directory.base();
    let issuer = match tenant.as_str() {
        "common" | "organizations" => "{tenantid}",
        tenant => tenant,
    };
    let body = json!({
        "issuer": format!("{base}/{issuer}/v2.0"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
    });
    json_answer(200, &body)
}

/// The usual answer, made worse by what a test ordered.
async fn faulty(fault: Option<Fault>, cut: &Cut, usual: impl FnOnce() -> Response) -> Response {
    let Some(fault) = fault else { return usual() };
    if !fault.delay.is_zero() {
        tokio::time::sleep(fault.delay).await;
    }
    let mut response = match fault.kind {
        Kind::Usual => usual(),
        Kind::Failure(failure) => failure.into_response(),
        Kind::Raw(status, content_type, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Kind::Hang => std::future::pending().await,
        Kind::Close => {
            cut.cut();
            StatusCode::NO_CONTENT.into_response()
        }
    };
    for (name, value) in &fault.headers {
        let name = HeaderName::try_from(name).expect("a header's name");
        let value = HeaderValue::try_from(value).expect("a header's value");
        response.headers_mut().insert(name, value);
    }
    response
}

fn check_scope(scope: &str) -> Result<(), Failure> {
    let known = |word: &str| {
        matches!(word, "openid" | "profile" | "email" | "offline_access")
            || word.starts_with("https://outlook.office.com/")
            || word.starts_with("https://outlook.office365.com/")
            || word.starts_with("https://graph.microsoft.com/")
    };
    match scope.split_ascii_whitespace().find(|word| !known(word)) {
        Some(word) => Err(Failure::bad_scope(word)),
        None => Ok(()),
    }
}

fn require<'a>(form: &'a Form, name: &str) -> Result<&'a str, Failure> {
    form.get(name)
        .filter(|value| !value.is_empty())
        .map(String::as_str)
        .ok_or_else(|| Failure::missing(name))
}

pub(super) fn parse(body: &str) -> Form {
    url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}
