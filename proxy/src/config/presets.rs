//! What is known about mail providers, so that nobody has to look it up.
//!
//! Every field can be overridden in `[provider.NAME]`.

use serde::Deserialize;

use super::{Endpoint, UpstreamTls};

/// A provider we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// Microsoft 365, worldwide and GCC.
    ExchangeOnline,
    /// Microsoft 365 GCC High (US government, L4).
    ExchangeOnlineGccHigh,
    /// Microsoft 365 for the US Department of Defense (L5).
    ExchangeOnlineDod,
    /// Microsoft 365 operated by `21Vianet`.
    ExchangeOnlineChina,
    /// Personal Microsoft accounts.
    OutlookCom,
    /// Gmail and Google Workspace.
    Gmail,
    /// Yahoo Mail.
    Yahoo,
    /// Any other provider with `OpenID` Connect.
    Oidc,
}

/// What a preset fills in.
pub(super) struct Facts {
    /// The name in the file.
    pub(super) name: &'static str,
    /// Whether the endpoints are those of Entra ID.
    pub(super) entra: bool,
    /// The tenant if the file names none.
    pub(super) tenant: Option<&'static str>,
    pub(super) device_authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    /// Where the discovery document is.
    pub(super) issuer: Option<&'static str>,
    /// Mail scopes; those that keep the sign-in and name the account are added by the sign-in.
    pub(super) scopes: Vec<String>,
    pub(super) imap: Option<Endpoint>,
    pub(super) pop3: Option<Endpoint>,
    pub(super) smtp: Option<Endpoint>,
    /// What EHLO of this provider's SMTP server shows after the login.
    pub(super) smtp_utf8: bool,
    /// What CAPABILITY of this provider's IMAP server shows after the login.
    pub(super) imap_capabilities: &'static [&'static str],
    /// What an admin should know before choosing it.
    pub(super) caveat: Option<&'static str>,
}

/// Exchange Online, `reference` section 6.1 of its behaviour: what joins after login is left out.
const EXCHANGE_IMAP: &[&str] = &[
    "UIDPLUS",
    "MOVE",
    "ID",
    "UNSELECT",
    "CHILDREN",
    "IDLE",
    "NAMESPACE",
    "LITERAL+",
];

impl Preset {
    /// All presets that need nothing but a client id.
    pub(super) const READY: [Self; 7] = [
        Self::ExchangeOnline,
        Self::ExchangeOnlineGccHigh,
        Self::ExchangeOnlineDod,
        Self::ExchangeOnlineChina,
        Self::OutlookCom,
        Self::Gmail,
        Self::Yahoo,
    ];

    /// The preset with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::READY
            .into_iter()
            .chain([Self::Oidc])
            .find(|preset| preset.facts().name == name)
    }

    pub(super) fn facts(self) -> Facts {
        match self {
            Self::ExchangeOnline => exchange(&Cloud {
                name: "exchange-online",
                login: "login.microsoftonline.com",
                tenant: "organizations",
                // The spelling that works for work and personal accounts alike.
                scopes: "https://outlook.office.com",
                mailbox: "outlook.office365.com",
                submission: "smtp.office365.com",
            }),
            Self::ExchangeOnlineGccHigh => exchange(&Cloud {
                name: "exchange-online-gcc-high",
                login: "login.microsoftonline.us",
                tenant: "organizations",
                scopes: "https://outlook.office365.us",
                mailbox: "outlook.office365.us",
                submission: "smtp.office365.us",
            }),
            Self::ExchangeOnlineDod => Facts {
                caveat: Some(
                    "the mail hosts of the DoD cloud are not documented publicly; \
                     override imap, pop3 and smtp if yours differ",
                ),
                ..exchange(&Cloud {
                    name: "exchange-online-dod",
                    login: "login.microsoftonline.us",
                    tenant: "organizations",
                    scopes: "https://outlook.office365.us",
                    mailbox: "outlook-dod.office365.us",
                    submission: "outlook-dod.office365.us",
                })
            },
            Self::ExchangeOnlineChina => exchange(&Cloud {
                name: "exchange-online-china",
                login: "login.partner.microsoftonline.cn",
                tenant: "organizations",
                scopes: "https://partner.outlook.cn",
                mailbox: "partner.outlook.cn",
                submission: "smtp.partner.outlook.cn",
            }),
            Self::OutlookCom => exchange(&Cloud {
                name: "outlook-com",
                login: "login.microsoftonline.com",
                tenant: "consumers",
                scopes: "https://outlook.office.com",
                mailbox: "outlook.office365.com",
                submission: "smtp-mail.outlook.com",
            }),
            Self::Gmail => Facts {
                token_endpoint: Some("https://oauth2.googleapis.com/token".to_owned()),
                issuer: Some("https://accounts.google.com"),
                scopes: words(&["https://mail.google.com/"]),
                imap: Endpoint::implicit("imap.gmail.com", 993),
                pop3: Endpoint::implicit("pop.gmail.com", 995),
                smtp: Endpoint::implicit("smtp.gmail.com", 465),
                smtp_utf8: true,
                imap_capabilities: &[
                    "UIDPLUS",
                    "MOVE",
                    "ID",
                    "UNSELECT",
                    "CHILDREN",
                    "IDLE",
                    "NAMESPACE",
                ],
                caveat: Some("Google allows no mail scope in the device code flow"),
                ..Facts::bare("gmail")
            },
            Self::Yahoo => Facts {
                token_endpoint: Some("https://api.login.yahoo.com/oauth2/get_token".to_owned()),
                issuer: Some("https://api.login.yahoo.com"),
                scopes: words(&["mail-w"]),
                imap: Endpoint::implicit("imap.mail.yahoo.com", 993),
                pop3: Endpoint::implicit("pop.mail.yahoo.com", 995),
                smtp: Endpoint::implicit("smtp.mail.yahoo.com", 465),
                caveat: Some("Yahoo gives mail scopes only to clients with a commercial agreement"),
                ..Facts::bare("yahoo")
            },
            Self::Oidc => Facts::bare("oidc"),
        }
    }
}

/// One of Microsoft's clouds; they differ in hosts only.
struct Cloud {
    name: &'static str,
    login: &'static str,
    tenant: &'static str,
    scopes: &'static str,
    mailbox: &'static str,
    submission: &'static str,
}

fn exchange(cloud: &Cloud) -> Facts {
    let endpoint = |path: &str| {
        Some(format!(
            "https://{}/{{tenant}}/oauth2/v2.0/{path}",
            cloud.login
        ))
    };
    let mail = ["IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send"];
    let scopes = mail
        .iter()
        .map(|permission| format!("{}/{permission}", cloud.scopes))
        .collect();
    Facts {
        entra: true,
        tenant: Some(cloud.tenant),
        device_authorization_endpoint: endpoint("devicecode"),
        token_endpoint: endpoint("token"),
        scopes,
        imap: Endpoint::implicit(cloud.mailbox, 993),
        pop3: Endpoint::implicit(cloud.mailbox, 995),
        // Exchange offers no implicit TLS for submission.
        smtp: Some(Endpoint {
            host: cloud.submission.to_owned(),
            port: 587,
            tls: UpstreamTls::StartTls,
        }),
        smtp_utf8: true,
        imap_capabilities: EXCHANGE_IMAP,
        ..Facts::bare(cloud.name)
    }
}

impl Facts {
    fn bare(name: &'static str) -> Self {
        Self {
            name,
            entra: false,
            tenant: None,
            device_authorization_endpoint: None,
            token_endpoint: None,
            issuer: None,
            scopes: Vec::new(),
            imap: None,
            pop3: None,
            smtp: None,
            smtp_utf8: false,
            imap_capabilities: &[],
            caveat: None,
        }
    }
}

impl Endpoint {
    /// A server that speaks TLS at once.
    #[expect(clippy::unnecessary_wraps, reason = "every use is an optional field")]
    fn implicit(host: &str, port: u16) -> Option<Self> {
        Some(Self {
            host: host.to_owned(),
            port,
            tls: UpstreamTls::Implicit,
        })
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
