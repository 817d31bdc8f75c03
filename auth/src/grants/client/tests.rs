//! What is really sent, and that every answer comes back untouched.

use super::*;
use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::grants::device_code::{ask, start};
use crate::grants::refresh::refresh;
use crate::oauth::TokenAnswer;
use crate::provider::ProviderKind;
use crate::testing::{self, FakeProvider, Reply};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn discovery(http: &Http) -> Discovery {
    Discovery::new(http.clone(), Clock::manual())
}

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

/// A form's fields, decoded, in an order of their own.
fn fields(form: &str) -> Vec<(String, String)> {
    let mut fields: Vec<_> = url::form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    fields.sort();
    fields
}

fn expected(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

const SCOPE: &str = "https://outlook.office.com/SMTP.Send offline_access openid profile";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[tokio::test]
async fn the_forms_of_a_public_client() {
    let fake = FakeProvider::start().await;
    let (http, provider) = (testing::http(), testing::entra(&fake.base));
    let discovery = discovery(&http);
    let _ = start(&http, &discovery, &provider).await;
    let _ = ask(&http, &discovery, &provider, &secret("d \"c\" &=ü")).await;
    let _ = refresh(&http, &discovery, &provider, &secret("R+T/1=")).await;
    let device = fake.seen("/devicecode");
    assert_eq!(device.len(), 1);
    assert_eq!(
        fields(&device[0]),
        expected(&[("client_id", "app"), ("scope", SCOPE)])
    );
    let token = fake.seen("/token");
    assert_eq!(token.len(), 2);
    let question = [
        ("client_id", "app"),
        ("device_code", "d \"c\" &=ü"),
        ("grant_type", DEVICE),
    ];
    assert_eq!(fields(&token[0]), expected(&question));
    let renewal = [
        ("client_id", "app"),
        ("grant_type", "refresh_token"),
        ("refresh_token", "R+T/1="),
        ("scope", SCOPE),
    ];
    assert_eq!(fields(&token[1]), expected(&renewal));
}

#[tokio::test]
async fn a_secret_goes_into_every_form_and_nowhere_else() {
    let fake = FakeProvider::start().await;
    let http = testing::http();
    let provider = Provider {
        kind: ProviderKind::Oidc,
        client_secret: Some(secret("s e&cret:ü")),
        ..testing::entra(&fake.base)
    };
    let discovery = discovery(&http);
    let _ = start(&http, &discovery, &provider).await;
    let _ = ask(&http, &discovery, &provider, &secret("dc")).await;
    let _ = refresh(&http, &discovery, &provider, &secret("RT")).await;
    let forms = [fake.seen("/devicecode"), fake.seen("/token")].concat();
    assert_eq!(forms.len(), 3);
    for form in &forms {
        let fields = fields(form);
        let named = fields.iter().filter(|(name, _)| name == "client_secret");
        assert_eq!(named.collect::<Vec<_>>().len(), 1, "{form}");
        assert!(
            fields.contains(&("client_secret".into(), "s e&cret:ü".into())),
            "{form}"
        );
    }
    // Other providers are not asked for a scope again.
    assert!(!forms[2].contains("scope"), "{}", forms[2]);
}

#[tokio::test]
async fn one_request_and_the_answer_untouched_whatever_it_is() {
    let fake = FakeProvider::start().await;
    let (http, provider) = (testing::http(), testing::entra(&fake.base));
    let discovery = discovery(&http);
    let waiting = r#"{"error":"authorization_pending","error_codes":["70016"]}"#;
    let answers = [
        Reply::new(400, waiting),
        Reply::new(200, waiting),
        Reply::new(400, r#"{"error":"slow_down"}"#),
        Reply::new(503, "<html>busy</html>"),
        Reply::new(429, ""),
        Reply::new(200, ""),
        // No token type, and a life as text: the crate itself would refuse it, token and all.
        Reply::new(200, r#"{"access_token":"AT","expires_in":"60"}"#),
    ];
    let mut read = Vec::new();
    for (n, answer) in answers.into_iter().enumerate() {
        fake.token(answer);
        let answer = ask(&http, &discovery, &provider, &secret("dc")).await;
        assert_eq!(fake.seen("/token").len(), n + 1);
        read.push(match answer.unwrap() {
            TokenAnswer::Granted(granted) => {
                let token = granted.access_token.expose_secret();
                format!("{token} {}", granted.life.as_secs())
            }
            TokenAnswer::Refused(refused) => {
                format!("{} {} {:?}", refused.status, refused.error, refused.codes)
            }
        });
    }
    let expected = [
        "400 authorization_pending [70016]",
        "200 authorization_pending [70016]",
        "400 slow_down []",
        "503  []",
        "429  []",
        "200  []",
        "AT 60",
    ];
    assert_eq!(read, expected);
}

/// The bytes of a whole request, as one header may be there twice and no fake would mind.
#[tokio::test]
async fn one_header_of_each_kind_and_no_authorization() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"client_secret=s") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        let answer = b"HTTP/1.1 400 No\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(request).unwrap().to_ascii_lowercase()
    });
    let http = testing::http();
    let provider = Provider {
        client_secret: Some(secret("s")),
        ..testing::entra(&base)
    };
    let answer = ask(&http, &discovery(&http), &provider, &secret("dc")).await;
    let Ok(TokenAnswer::Refused(refused)) = answer else {
        panic!();
    };
    assert_eq!(refused.retry_after.unwrap().as_secs(), 7);
    let request = server.await.unwrap();
    assert!(request.starts_with("post /token http/1.1\r\n"), "{request}");
    let count = |line: &str| request.matches(line).count();
    assert_eq!(count("\r\naccept: application/json\r\n"), 1);
    assert_eq!(
        count("\r\ncontent-type: application/x-www-form-urlencoded\r\n"),
        1
    );
    assert_eq!(count("\r\nuser-agent: portreeve/"), 1);
    assert_eq!((count("\r\naccept:"), count("authorization:")), (1, 0));
}

#[tokio::test]
async fn the_bounds_of_the_client_hold_for_what_the_crate_writes() {
    let http = testing::http();
    let client = client(&testing::entra("http://127.0.0.1")).unwrap();
    let token = oauth2::RefreshToken::new("geheim".to_owned());
    let far = TokenUrl::new("http://login.example.com/token".to_owned()).unwrap();
    let courier = Courier::new(&http);
    let client = client.set_token_uri(far);
    let opinion = client
        .exchange_refresh_token(&token)
        .request_async(&courier)
        .await;
    assert!(matches!(opinion, Err(oauth2::RequestTokenError::Other(_))));
    let reason = courier.answer().err().unwrap();
    assert_eq!(reason.kind, ReasonKind::AdminMustFix);
    assert!(reason.advice.contains("not https"), "{}", reason.advice);
}

#[tokio::test]
async fn a_courier_goes_once() {
    let fake = FakeProvider::start().await;
    let http = testing::http();
    let courier = Courier::new(&http);
    fake.other(Reply::new(200, "geheim"));
    for _ in 0..3 {
        let mut request = HttpRequest::new(Vec::new());
        *request.uri_mut() = format!("{}/x", fake.base).parse().unwrap();
        let shown = courier.call(request).await.unwrap();
        assert!(shown.body().is_empty() && shown.headers().is_empty());
    }
    assert_eq!(fake.seen("/x").len(), 1);
    let answer = courier.answer().ok().unwrap();
    assert_eq!(&answer.body[..], b"geheim");
    // Nothing was sent: said, and no panic.
    assert!(Courier::new(&http).answer().is_err());
}
