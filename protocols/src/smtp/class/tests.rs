use super::{Class::*, Stage::*, *};

#[test]
fn replies_as_they_were_seen() {
    for (stage, code, text, class) in SEEN {
        let reply = Reply::new(*code, text);
        let found = classify(*stage, &reply);
        assert_eq!(found, *class, "{code} {text}");
        let says_it_all = matches!(found, Accepted | Temporary | Permanent);
        assert_eq!(found.advice().is_none(), says_it_all, "{found:?}");
    }
}

const SEEN: &[(Stage, u16, &str, Class)] = &[
    (Mail, 250, "2.1.0 Sender OK", Accepted),
    (
        Data,
        354,
        "Start mail input; end with <CRLF>.<CRLF>",
        Accepted,
    ),
    (
        Auth,
        535,
        "5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]",
        TokenRefused,
    ),
    (
        Auth,
        535,
        "5.7.8 Username and Password not accepted.",
        TokenRefused,
    ),
    (Auth, 535, "authentication failed", TokenRefused),
    (Auth, 501, "5.5.124 Invalid XOAUTH2 auth data", TokenRefused),
    (
        Auth,
        535,
        "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the \
             Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
        SmtpAuthDisabled(Switch::Tenant),
    ),
    (
        Auth,
        535,
        "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the \
             Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.",
        SmtpAuthDisabled(Switch::Mailbox),
    ),
    (
        Auth,
        535,
        "5.7.139 Authentication unsuccessful, the request did not meet the criteria to be \
             authenticated successfully. Contact your administrator.",
        AccessDenied,
    ),
    (
        Auth,
        550,
        "5.7.30 Basic authentication is not supported for Client Submission",
        AccessDenied,
    ),
    (
        Auth,
        454,
        "4.7.0 Too many login attempts, please try again later.",
        Throttled,
    ),
    (
        Auth,
        454,
        "4.7.0 Temporary authentication failure",
        Temporary,
    ),
    (
        EndOfData,
        432,
        "4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
        Concurrency,
    ),
    (
        EndOfData,
        432,
        "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
        Concurrency,
    ),
    (Auth, 432, "busy", Concurrency),
    (
        Mail,
        530,
        "5.7.57 Client not authenticated to send mail",
        NotAuthenticated,
    ),
    (
        Mail,
        550,
        "5.7.60 SMTP; Client does not have permissions to send as this sender",
        SendAsDenied,
    ),
    (
        EndOfData,
        554,
        "5.2.252 SendAsDenied; a@x not allowed to send as b@x; STOREDRV.Submission",
        SendAsDenied,
    ),
    (
        EndOfData,
        554,
        "5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
        SendAsDenied,
    ),
    (
        EndOfData,
        554,
        "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
        SubmissionQuota,
    ),
    (
        EndOfData,
        554,
        "5.2.2 Submission quota exceeded",
        SubmissionQuota,
    ),
    (
        EndOfData,
        554,
        "5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException",
        MailboxFull,
    ),
    (
        Mail,
        552,
        "5.3.4 Message size exceeds fixed maximum message size",
        Size,
    ),
    (
        EndOfData,
        554,
        "5.2.0 STOREDRV.Submission.Exception:MessageSubmissionExceededException.MapiExceptionMaxSubmissionExceeded",
        Size,
    ),
    (Rcpt, 452, "4.5.3 Too many recipients", TooManyRecipients),
    (
        Rcpt,
        550,
        "5.5.3 RESOLVER.ADR.RecipLimit",
        TooManyRecipients,
    ),
    (
        Mail,
        550,
        "5.1.8 Access denied, bad outbound sender",
        Blocked,
    ),
    (
        EndOfData,
        550,
        "5.7.705 Access denied, tenant has exceeded threshold",
        Blocked,
    ),
    (
        EndOfData,
        550,
        "5.6.11 Invalid characters: bare LF",
        Malformed,
    ),
    (Mail, 501, "5.1.7 Invalid address", Malformed),
    (
        Hello,
        421,
        "4.7.66 TLS 1.0 and 1.1 are not supported.",
        OldTls,
    ),
    (
        Rcpt,
        451,
        "4.7.500 Server busy. Please try again later",
        Throttled,
    ),
    (
        Rcpt,
        451,
        "4.7.500 Access denied, please try again later",
        Throttled,
    ),
    (
        Rcpt,
        451,
        "4.4.62 Mail sent to the wrong Office 365 region.",
        WrongRoute,
    ),
    (Mail, 421, "4.3.2 Service not available", Temporary),
    (Rcpt, 550, "5.1.1 User unknown", Permanent),
    (
        Auth,
        504,
        "5.7.4 Unrecognized authentication type",
        Permanent,
    ),
];
