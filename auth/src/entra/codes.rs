//! The AADSTS codes: whose move it is, and one line of advice.
//!
//! Data only. The advice is shown to admins, never to a device.

/// Whose move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The device code was not entered yet.
    Wait,
    /// Transient.
    Retry,
    /// The owner of the mailbox signs in again.
    Reauth,
    /// A policy of the tenant stands in the way.
    Policy,
    /// Tenant, app registration or our configuration must change.
    Admin,
    /// A defect, or something unsupported.
    Fatal,
}

/// What is known about a code.
pub(crate) fn lookup(code: u32) -> Option<(Class, &'static str)> {
    CODES
        .iter()
        .find(|(codes, ..)| codes.contains(&code))
        .map(|(_, class, advice)| (*class, *advice))
}

use Class::{Admin, Fatal, Policy, Reauth, Retry, Wait};

const CODES: &[(&[u32], Class, &str)] = &[
    // The device code flow
    (&[70016], Wait, "Waiting for the user to enter the code."),
    (
        &[70018],
        Wait,
        "The code was mistyped; enter it again exactly as shown.",
    ),
    (
        &[70019],
        Reauth,
        "The sign-in code expired (15 min). Start the sign-in again.",
    ),
    (
        &[90119, 90120],
        Reauth,
        "This code was already used or declined. Start again.",
    ),
    (&[50134], Retry, "Start the sign-in again."),
    (
        &[50199],
        Reauth,
        "Open the sign-in page and press Continue when asked whether you are signing in to this app.",
    ),
    // The grant ended
    (
        &[50173, 50132, 50133],
        Reauth,
        "The mailbox password changed or its sessions were revoked. Sign the account in again.",
    ),
    (
        &[700_082],
        Reauth,
        "The account was idle too long. Sign it in again.",
    ),
    (
        &[70008],
        Reauth,
        "The stored authorisation expired. Sign the account in again.",
    ),
    (
        &[700_084],
        Admin,
        "Register the redirect as \"Mobile and desktop\", not \"Single-page application\", then sign in again.",
    ),
    (
        &[70043],
        Reauth,
        "A Conditional Access sign-in frequency ended the session. Sign in again, or exclude this account from that policy.",
    ),
    (
        &[50078],
        Reauth,
        "MFA must be repeated. Sign in again; consider turning off \"remember MFA\" for this account.",
    ),
    (
        &[50076, 50074],
        Reauth,
        "MFA is now required. Sign the account in again interactively.",
    ),
    (
        &[50079, 50072],
        Reauth,
        "The account must register MFA first (aka.ms/mfasetup), then sign in here again.",
    ),
    (
        &[50158],
        Reauth,
        "Complete the extra sign-in step required by your organisation.",
    ),
    // Policies
    (
        &[53003, 50131],
        Policy,
        "A Conditional Access policy blocks this sign-in. See the sign-in log for the policy name; exclude this account or app.",
    ),
    (
        &[530_036],
        Policy,
        "A policy blocks device code flow. Exclude this account under Conditions > Authentication flows (or use browser sign-in), delete this token, sign in again.",
    ),
    (
        &[53000, 53001, 50097],
        Policy,
        "The policy wants a managed device, which device code cannot prove. Exclude this account or require MFA instead.",
    ),
    (
        &[53002],
        Policy,
        "The policy allows only approved apps. Exclude this account.",
    ),
    (&[53004], Policy, "Register MFA from a trusted place first."),
    (
        &[53011],
        Policy,
        "Identity Protection flagged the user. Dismiss or remediate the risk.",
    ),
    (
        &[530_032],
        Policy,
        "Ask a tenant admin which security policy applies.",
    ),
    (&[530_035], Policy, "Security Defaults block this flow."),
    (
        &[530_084],
        Policy,
        "Exclude this app from the token-protection policy.",
    ),
    (
        &[500_212, 500_213],
        Policy,
        "Cross-tenant access policy forbids this.",
    ),
    (
        &[135_011],
        Admin,
        "Re-enable the device or sign in from another.",
    ),
    // Consent and the app registration
    (
        &[50105],
        Admin,
        "Assign the user to the enterprise application, or turn off \"Assignment required\".",
    ),
    (
        &[65001],
        Admin,
        "Grant consent: an admin opens the admin-consent link, or the user signs in and accepts.",
    ),
    (
        &[65004],
        Reauth,
        "Sign in again and accept the permissions.",
    ),
    (
        &[90094, 90095],
        Admin,
        "Only an administrator can approve this app. Use the admin-consent link.",
    ),
    (
        &[65002],
        Admin,
        "Use your own app registration, not a Microsoft client id.",
    ),
    (
        &[650_052],
        Admin,
        "The tenant has no Exchange Online subscription (or service principal).",
    ),
    (
        &[650_056, 650_057],
        Admin,
        "Add the IMAP/POP/SMTP permissions to the app registration and consent.",
    ),
    (
        &[700_016],
        Admin,
        "Wrong client id or tenant id, or the app was never consented in this tenant.",
    ),
    (
        &[7_000_112],
        Admin,
        "The application is disabled in Entra ID.",
    ),
    (
        &[7_000_229],
        Admin,
        "Grant admin consent so that the enterprise application is created.",
    ),
    (&[70001, 700_011], Admin, "Check the client id."),
    // The client's credential
    (
        &[7_000_215],
        Admin,
        "Store the secret Value, not the Secret ID.",
    ),
    (
        &[7_000_222],
        Admin,
        "The client secret expired. Create a new client secret (aka.ms/NewClientSecret) or move to a certificate.",
    ),
    (
        &[7_000_218],
        Admin,
        "Turn on \"Allow public client flows\", or configure a secret/certificate.",
    ),
    (
        &[700_025],
        Admin,
        "Remove the secret from this account's settings.",
    ),
    (
        &[700_027, 50012, 50013],
        Admin,
        "Upload the current certificate to the app registration; check the thumbprint.",
    ),
    (&[700_024], Admin, "Check the clock (NTP) of this machine."),
    (
        &[700_030],
        Admin,
        "Certificate subject not valid for this app.",
    ),
    (&[50032], Admin, "Use RSA 2048 or larger."),
    (&[50048], Fatal, "Internal error in the client assertion."),
    (&[70002], Admin, "Check client id, secret, certificate."),
    // Scopes, resources, tenants
    (
        &[70011],
        Admin,
        "The scope list is malformed or names several resources.",
    ),
    (
        &[700_022, 28002, 28003],
        Fatal,
        "The scope list is malformed or names several resources.",
    ),
    (
        &[500_011, 50001],
        Admin,
        "Wrong scope host for this cloud, or no Exchange Online in the tenant.",
    ),
    (&[90002], Admin, "Check the tenant id or domain."),
    (&[90038], Admin, "Use the login host of the right cloud."),
    (&[50059, 90019], Admin, "Configure the tenant id."),
    (&[50194], Admin, "Put the tenant id in the configuration."),
    (&[9_001_023], Admin, "Use a tenant-specific authority."),
    // The account
    (
        &[50020, 90072],
        Admin,
        "The account belongs to another tenant; sign in with the mailbox owner.",
    ),
    (&[50034, 51004], Admin, "No such user in the tenant."),
    (&[50126], Reauth, "Wrong password at Microsoft sign-in."),
    (
        &[50053],
        Admin,
        "Account locked or IP blocked; wait and check the sign-in log.",
    ),
    (
        &[50055],
        Reauth,
        "Change the password at Microsoft, then sign in again.",
    ),
    (&[50056], Admin, "The account has no usable password."),
    (&[50057], Admin, "Enable the user in Entra ID."),
    (
        &[50058, 50085, 50089, 50125, 50135, 50140, 50144, 16000],
        Reauth,
        "Sign the account in again.",
    ),
    // The service
    (&[50196], Retry, "Too many sign-in requests; paused."),
    (
        &[90055],
        Retry,
        "Microsoft throttles this tenant; retrying later.",
    ),
    (
        &[
            50033, 50087, 50088, 90006, 90012, 90024, 90033, 90090, 70012,
        ],
        Retry,
        "Microsoft sign-in is temporarily failing; retrying.",
    ),
    (
        &[80001, 80002, 80005, 80014],
        Retry,
        "On-premises authentication agent unavailable.",
    ),
    (
        &[40008, 40009, 40010, 40011, 40012, 40013, 40014, 40015],
        Retry,
        "The organisation's own sign-in server failed.",
    ),
    // Defects
    (&[54005, 501_481], Fatal, "Start the sign-in again."),
    (
        &[900_144, 9_002_313, 900_561],
        Fatal,
        "Internal error; report it.",
    ),
    (&[901_002], Fatal, "Internal error; use `scope`."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_twice() {
        let mut all: Vec<u32> = CODES
            .iter()
            .flat_map(|(codes, ..)| *codes)
            .copied()
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(count, 119);
    }

    #[test]
    fn advice_is_short_and_plain() {
        for (codes, _, advice) in CODES {
            assert!(advice.is_ascii() && advice.len() <= 200, "{codes:?}");
            assert!(advice.ends_with('.'), "{codes:?}");
        }
    }
}
