//! The page where a person enters the code, picks an account and says yes or no.
//!
//! It looks plain on purpose: the steps are those of the real page, the looks are our own.

use super::{directory::Directory, http::parse};
use axum::{extract::State, response::Html};
use std::{fmt::Write, sync::Arc};

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8>\
    <meta name=viewport content='width=device-width'><title>Sign in to your account</title>\
    <style>body{font:16px system-ui,sans-serif;background:#eef2f6;display:grid;place-items:center;\
    min-height:100vh;margin:0}main{background:#fff;padding:2.5rem;width:22rem;\
    box-shadow:0 2px 8px #0003}input{font:inherit;width:100%;padding:.5rem;margin:.5rem 0;\
    box-sizing:border-box}button{font:inherit;padding:.5rem 1.5rem;margin:.5rem .5rem 0 0}\
    small{color:#666}</style><main><small>fake Entra ID &middot; nothing here leaves this machine</small>";

/// The first step: the code.
pub(super) async fn show() -> Html<String> {
    ask_for_code("")
}

/// What a person pressed.
pub(super) async fn submit(State(directory): State<Arc<Directory>>, body: String) -> Html<String> {
    let form = parse(&body);
    let field = |name: &str| form.get(name).map_or("", |value| value.trim());
    let (code, account) = (field("code"), field("account"));
    if !directory.waits(code) {
        return ask_for_code("That code didn't work. Check the code and try again.");
    }
    match field("action") {
        "approve" if account.contains('@') => {
            let account = directory.account(account, None);
            match directory.approve(code, &account) {
                Ok(()) => done("You have signed in. You may now close this window."),
                Err(words) => done(&words),
            }
        }
        "approve" => pick_account(&directory, code, "Enter a valid sign-in name."),
        "decline" => {
            directory.decline(code);
            done("You declined. You may now close this window.")
        }
        _ => pick_account(&directory, code, ""),
    }
}

fn ask_for_code(trouble: &str) -> Html<String> {
    Html(format!(
        "{HEAD}<h1>Enter code</h1><p>Enter the code displayed on your app or device.</p>\
         <p role=alert>{}</p><form method=post><input name=code placeholder=Code autofocus \
         autocomplete=off maxlength=9><button name=action value=next>Next</button></form></main>",
        escape(trouble)
    ))
}

fn pick_account(directory: &Directory, code: &str, trouble: &str) -> Html<String> {
    let mut known = String::new();
    for account in directory.accounts() {
        let _ = write!(known, "<option value='{}'>", escape(&account.upn));
    }
    Html(format!(
        "{HEAD}<h1>Sign in</h1><p>You're signing in on another device. If it is not you who asked \
         for this code, press Decline.</p><p role=alert>{}</p><form method=post>\
         <input type=hidden name=code value='{}'>\
         <input name=account list=known placeholder='someone@example.com' autofocus>\
         <datalist id=known>{known}</datalist>\
         <button name=action value=approve>Continue</button>\
         <button name=action value=decline>Decline</button></form></main>",
        escape(trouble),
        escape(code)
    ))
}

fn done(words: &str) -> Html<String> {
    Html(format!(
        "{HEAD}<h1>Portreeve sandbox</h1><p>{}</p></main>",
        escape(words)
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&quot;")
}
