//! The least browser that can do a device login: forms, cookies and redirects over plain HTTP.
//!
//! It knows no scripts and no TLS, and reads only as much HTML as the provider's own pages need.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};
use url::{Url, form_urlencoded};

/// How many redirects one answer may bring.
const REDIRECTS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with its cookies.
#[derive(Debug, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

/// What the browser shows.
#[derive(Debug)]
pub struct Page {
    /// Where it came from, after all redirects.
    pub address: Url,
    /// The status of the last answer.
    pub status: u16,
    /// The page itself.
    pub text: String,
}

/// The first form of a page.
#[derive(Debug)]
pub struct Form {
    action: Url,
    fields: Vec<(String, String)>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a page.
    pub fn get(&mut self, address: &str) -> Page {
        let address = Url::parse(address).expect("an address");
        self.follow(address, None)
    }

    /// Sends fields of a form to an address.
    pub fn post(&mut self, address: &str, fields: &[(&str, &str)]) -> Page {
        let address = Url::parse(address).expect("an address");
        self.follow(address, Some(encode(fields.iter().copied())))
    }

    /// Sends a form with some of its fields filled in; values for fields that it lacks are not sent.
    pub fn submit(&mut self, form: &Form, values: &[(&str, &str)]) -> Page {
        let fields = form.fields.iter().map(|(name, value)| {
            let typed = values.iter().find(|(field, _)| field == name);
            (name.as_str(), typed.map_or(value.as_str(), |(_, v)| *v))
        });
        self.follow(form.action.clone(), Some(encode(fields)))
    }

    fn follow(&mut self, mut address: Url, mut body: Option<String>) -> Page {
        for _ in 0..REDIRECTS {
            let (status, location, text) = self.exchange(&address, body.as_deref());
            match location {
                Some(location) if (300..400).contains(&status) => {
                    address = address.join(&location).expect("a location");
                    body = None;
                }
                _ => {
                    return Page {
                        address,
                        status,
                        text,
                    };
                }
            }
        }
        panic!("too many redirects, the last to {address}");
    }

    /// One request. HTTP/1.0, so that the answer is whole when the connection ends.
    fn exchange(&mut self, address: &Url, body: Option<&str>) -> (u16, Option<String>, String) {
        let host = address.host_str().expect("a host");
        let port = address.port_or_known_default().expect("a port");
        let mut stream = TcpStream::connect((host, port)).expect("the provider listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let path = &address[url::Position::BeforePath..url::Position::AfterQuery];
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {host}:{port}\r\nCookie: {cookies}\r\n",
            method = if body.is_some() { "POST" } else { "GET" },
            cookies = cookies.join("; "),
        );
        let body = body.unwrap_or_default();
        if !body.is_empty() {
            request.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
        }
        let _ = write!(request, "Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
        self.keep_cookies(head);
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        let location = header(head, "location").next().map(str::to_owned);
        (status.expect("a status"), location, text.to_owned())
    }

    fn keep_cookies(&mut self, head: &str) {
        for cookie in header(head, "set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                if value.is_empty() {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
}

impl Page {
    /// The first form, if there is one.
    pub fn form(&self) -> Option<Form> {
        let start = self.text.find("<form")?;
        let end = start + self.text[start..].find("</form>")?;
        let form = &self.text[start..end];
        let tag = &form[..form.find('>')?];
        let action = attribute(tag, "action").unwrap_or_default();
        let fields = form
            .split("<input")
            .skip(1)
            .filter_map(|input| {
                let tag = &input[..input.find('>')?];
                let value = attribute(tag, "value").unwrap_or_default();
                Some((attribute(tag, "name")?, value))
            })
            .collect();
        Some(Form {
            action: self.address.join(&action).expect("where a form goes"),
            fields,
        })
    }
}

fn header<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    head.lines().filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = &tag[start..];
    Some(value[..value.find('"')?].replace("&amp;", "&"))
}

fn encode<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::Page;
    use url::Url;

    #[test]
    fn reads_a_form() {
        let page = Page {
            address: Url::parse("http://127.0.0.1:1/a").unwrap(),
            status: 200,
            text: "<p><form id=\"f\" action=\"/b?x=1&amp;y=2\">\
                   <input type=\"hidden\" name=\"k\" value=\"v\"/><input name=\"login\"></form>"
                .into(),
        };
        let form = page.form().unwrap();
        assert_eq!(form.action.as_str(), "http://127.0.0.1:1/b?x=1&y=2");
        let fields = [("k", "v"), ("login", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(form.fields, fields);
    }
}
