//! Every limit and time-out of the daemon: one line each, with its default and its range.
//!
//! Nothing here acts on a limit; doors, sessions and upstream connections do.

use std::{ops::RangeInclusive, time::Duration};

use serde::Deserialize;

/// How the number of a setting is meant.
pub(crate) trait Unit {
    type Value;

    fn value(number: u64) -> Self::Value;
}

/// How many.
pub(crate) struct Count;
/// A size in octets that fits a buffer.
pub(crate) struct Octets;
/// A size in octets that never has to fit into memory.
pub(crate) struct Size;
/// A time in seconds; the field is a [`Duration`].
pub(crate) struct Seconds;
/// A time in milliseconds; the field is a [`Duration`].
pub(crate) struct Milliseconds;

impl Unit for Count {
    type Value = usize;

    fn value(number: u64) -> usize {
        usize::try_from(number).unwrap_or(usize::MAX)
    }
}

impl Unit for Octets {
    type Value = usize;

    fn value(number: u64) -> usize {
        Count::value(number)
    }
}

impl Unit for Size {
    type Value = u64;

    fn value(number: u64) -> u64 {
        number
    }
}

impl Unit for Seconds {
    type Value = Duration;

    fn value(number: u64) -> Duration {
        Duration::from_secs(number)
    }
}

impl Unit for Milliseconds {
    type Value = Duration;

    fn value(number: u64) -> Duration {
        Duration::from_millis(number)
    }
}

/// A limit as people see it: for the documentation and its test.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct LimitRow {
    pub(crate) key: String,
    pub(crate) default: u64,
    pub(crate) range: RangeInclusive<u64>,
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $unit:ident = $default:literal in $low:literal..=$high:literal;)+) => {
        /// The limits in force.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) struct Limits {
            $($(#[doc = $doc])+ pub(crate) $name: <$unit as Unit>::Value,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: <$unit as Unit>::value($default),)+ }
            }
        }

        /// `[limits]` of the file.
        #[derive(Debug, Default, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub(super) struct LimitsTable {
            $($name: Option<u64>,)+
        }

        impl LimitsTable {
            /// The limits that the file sets over the defaults; `wrong` hears of each key out of range.
            pub(super) fn resolve(&self, mut wrong: impl FnMut(&str, String)) -> Limits {
                $(let $name = in_range(stringify!($name), self.$name, $default, $low..=$high, &mut wrong);)+
                Limits { $($name: <$unit as Unit>::value($name),)+ }
            }
        }

        /// All limits in the order of this file.
        #[cfg(test)]
        pub(crate) fn rows() -> Vec<LimitRow> {
            vec![$(LimitRow { key: key(stringify!($name)), default: $default, range: $low..=$high },)+]
        }
    };
}

limits! {
    /// Connections open at one time, all listeners together.
    connections: Count = 10_000 in 1..=1_000_000;
    /// Connections open at one time from one address. High, because a print server or a bridge can
    /// stand for a whole office.
    connections_per_peer: Count = 1_000 in 1..=1_000_000;
    /// How long a fresh connection on a plain port is watched for a TLS hello before the greeting
    /// goes out. Zero: only what has already arrived counts.
    detect_milliseconds: Milliseconds = 20 in 0..=5_000;
    /// From accept to the end of the login, TLS included. Exchange itself allows 60 s.
    login_seconds: Seconds = 60 in 1..=3_600;
    /// What a device may send before its login is done, all lines and literals together.
    login_octets: Size = 65_536 in 1_024..=16_777_216;
    /// One command line before the login, IMAP and POP3. Exchange takes 10,240.
    line_octets: Octets = 8_192 in 512..=1_048_576;
    /// One IMAP literal before the login: a user name or a password.
    literal_octets: Octets = 4_096 in 64..=1_048_576;
    /// One SMTP command line. RFC 5321 wants 512 plus what extensions add.
    smtp_line_octets: Octets = 2_048 in 512..=1_048_576;
    /// One line of an SMTP AUTH exchange. RFC 4954 section 4: both sides should take 12,288.
    sasl_octets: Octets = 12_288 in 1_024..=1_048_576;
    /// Commands that make no sense, in one connection; the next one ends it.
    bad_commands: Count = 10 in 1..=10_000;
    /// Failed logins in one connection; the next one ends it.
    login_attempts: Count = 5 in 1..=1_000;
    /// The longest wait for the answer to a failed login: 0, 1, 2, 4 ... seconds for each login from
    /// each address.
    failure_delay_seconds: Seconds = 30 in 0..=300;
    /// One failure of a login is forgotten after this time.
    failure_memory_seconds: Seconds = 60 in 1..=86_400;
    /// Failed logins from one address before everything from there is turned away. High, because a
    /// print server can stand for a whole office.
    failures_per_peer: Count = 300 in 1..=1_000_000;
    /// One failure of an address is forgotten after this time.
    failure_peer_memory_seconds: Seconds = 2 in 1..=3_600;
    /// Logins with chosen passwords, whose check is slow on purpose, that may wait for it.
    password_queue: Count = 32 in 1..=10_000;
    /// SMTP: waiting for the next command. RFC 5321 4.5.3.2.7.
    smtp_command_seconds: Seconds = 300 in 1..=86_400;
    /// SMTP: DATA without any progress. RFC 5321 4.5.3.2.5.
    smtp_data_seconds: Seconds = 180 in 1..=86_400;
    /// IMAP and POP3 after the login: no octet in either direction. IDLE is renewed after at most
    /// 29 minutes (RFC 2177); two more for slow clocks.
    idle_seconds: Seconds = 1_860 in 60..=604_800;
    /// After one side has closed: how long the other may go on.
    half_close_seconds: Seconds = 30 in 1..=3_600;
    /// Name lookup, TCP and TLS to the mail server.
    upstream_connect_seconds: Seconds = 10 in 1..=600;
    /// From the mail server's greeting to the end of the login, which takes Exchange seconds.
    upstream_login_seconds: Seconds = 60 in 1..=600;
    /// An upstream SMTP reply other than the last one. RFC 5321 4.5.3.2.2 and 4.5.3.2.3.
    upstream_command_seconds: Seconds = 300 in 1..=3_600;
    /// The upstream SMTP reply to the end of data. RFC 5321 4.5.3.2.6.
    upstream_data_seconds: Seconds = 600 in 1..=3_600;
    /// How long a login waits for a token that is being fetched.
    token_wait_seconds: Seconds = 30 in 1..=600;
    /// On a stop: how long running sessions may take to end.
    drain_seconds: Seconds = 30 in 0..=3_600;
    /// Recipients of one message. Exchange Online takes at most 1,000, by default 500.
    recipients_per_message: Count = 1_000 in 1..=100_000;
    /// One message, and the SIZE that EHLO shows. Exchange Online: 150 MB.
    message_octets: Size = 157_286_400 in 65_536..=4_294_967_296;
}

fn in_range(
    name: &str,
    set: Option<u64>,
    default: u64,
    range: RangeInclusive<u64>,
    wrong: &mut impl FnMut(&str, String),
) -> u64 {
    let Some(number) = set else { return default };
    if !range.contains(&number) {
        let (low, high) = range.into_inner();
        wrong(
            &key(name),
            format!("must lie between {low} and {high}, not {number}"),
        );
        return default;
    }
    number
}

fn key(name: &str) -> String {
    name.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_limits() {
        let table: Vec<String> = rows()
            .iter()
            .map(|row| {
                format!(
                    "{} = {} # {}..{}",
                    row.key,
                    row.default,
                    row.range.start(),
                    row.range.end()
                )
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn every_default_lies_in_its_range() {
        for row in rows() {
            assert!(row.range.contains(&row.default), "{}", row.key);
        }
    }

    #[test]
    fn both_ends_of_a_range_are_taken_and_one_beyond_is_told() {
        for row in rows() {
            for (number, fits) in [
                (*row.range.start(), true),
                (*row.range.end(), true),
                (row.range.end() + 1, false),
            ] {
                let table: LimitsTable =
                    toml::from_str(&format!("{} = {number}", row.key)).unwrap();
                let mut told = Vec::new();
                table.resolve(|key, text| told.push(format!("{key} {text}")));
                assert_eq!(told.is_empty(), fits, "{} = {number}: {told:?}", row.key);
            }
        }
    }

    #[test]
    fn a_limit_of_the_file_replaces_the_default_and_only_that() {
        let table: LimitsTable = toml::from_str("login-seconds = 5").unwrap();
        let limits = table.resolve(|key, text| panic!("{key} {text}"));
        assert_eq!(
            limits,
            Limits {
                login_seconds: Duration::from_secs(5),
                ..Limits::default()
            }
        );
    }
}
