//! The command line as types: what can be typed, and what `--help` says about it.
//!
//! Nothing is done here; see the sibling modules for what each command does.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Lets printers, scanners and old mail programs log in as before, and speaks OAuth to the exchange.
#[derive(Debug, Parser)]
#[command(
    name = "portreeve",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  portreeve run --lan
  portreeve mailbox add scans@contoso.com --tenant contoso.com --client-id 0b5e…
  portreeve device add \"Scanner 2nd floor\" --mailbox scans@contoso.com
  portreeve status

Exit codes:
  0  done
  1  it did not work; the reason is printed
  2  the command line is wrong
  3  the daemon or the state folder cannot be reached
  4  the sign-in is not finished; it stays open, `portreeve mailbox sign-in` shows it again"
)]
pub(crate) struct Arguments {
    /// The configuration file [default: `$CONFIGURATION_DIRECTORY/portreeve.toml`, else
    /// `/etc/portreeve/portreeve.toml` if it exists]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Where things are"
    )]
    pub(crate) config: Option<PathBuf>,

    /// The state folder [default: `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/portreeve`, else
    /// `~/.local/state/portreeve`]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Where things are"
    )]
    pub(crate) state_dir: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon
    #[command(after_help = "\
Without a configuration file everything listens on 127.0.0.1: SMTP 1587 (STARTTLS) and 1465 (TLS),
IMAP 1143 and 1993, POP3 1110 and 1995.

Examples:
  portreeve run
  portreeve run --lan --log-wire")]
    Run(Run),
    /// Validate the configuration and everything it names, and change nothing
    Check,
    /// Let the running daemon read its configuration again
    #[command(after_help = "\
The new file is checked first; if it is wrong the daemon keeps what it has. No session is cut.
Sending SIGHUP does the same.")]
    Reload,
    /// Show what the running daemon listens on and how its mailboxes are
    Status(Output),
    /// The certificate authority that Portreeve made for its own certificates
    #[command(subcommand)]
    Ca(Ca),
    /// The mailboxes that devices reach through Portreeve
    #[command(subcommand)]
    Mailbox(MailboxCommand),
    /// The devices and programs that log in to Portreeve
    #[command(subcommand)]
    Device(DeviceCommand),
}

/// How the daemon runs.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Listen on all addresses of this machine, not only on loopback
    #[arg(long)]
    pub(crate) lan: bool,
    /// Log every dialogue, without credentials and without bodies
    #[arg(long)]
    pub(crate) log_wire: bool,
}

/// How an answer is printed.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// `portreeve ca`.
#[derive(Debug, Subcommand)]
pub(crate) enum Ca {
    /// Print the certificate that a device imports to trust Portreeve
    #[command(after_help = "\
Examples:
  portreeve ca export > portreeve-ca.pem
  portreeve ca export --der --out portreeve-ca.cer")]
    Export(CaExport),
}

/// Where the certificate goes.
#[derive(Debug, Args)]
pub(crate) struct CaExport {
    /// Write to this file instead of the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write DER (often named .cer or .crt) instead of PEM
    #[arg(long)]
    pub(crate) der: bool,
}

/// `portreeve mailbox`.
#[derive(Debug, Subcommand)]
pub(crate) enum MailboxCommand {
    /// Add a mailbox and sign it in
    #[command(after_help = "\
Shows a link and a code: open the link on any computer, type the code, and sign in with the mailbox's
own account. For a shared mailbox sign in with an account that may use it, and say which one with
--signed-in-as; one such sign-in serves several mailboxes.

Tenant and client id are remembered for the next mailbox of the same provider.

Examples:
  portreeve mailbox add scans@contoso.com --tenant contoso.com --client-id 0b5e…
  portreeve mailbox add fax@contoso.com --signed-in-as printsvc@contoso.com")]
    Add(MailboxAdd),
    /// List the mailboxes and how each of them is
    List(Output),
    /// Show one mailbox in full
    Show(MailboxShow),
    /// Sign a mailbox in, or show the sign-in that is waiting
    SignIn(MailboxSignIn),
    /// Accept or decline the account that signed in, when it is not the mailbox's own
    #[command(after_help = "\
Examples:
  portreeve mailbox confirm fax@contoso.com --accept-account printsvc@contoso.com
  portreeve mailbox confirm fax@contoso.com --decline")]
    Confirm(MailboxConfirm),
    /// Remove a mailbox; its sign-in is forgotten unless another mailbox uses it
    Remove(MailboxRemove),
    /// Take a token and log in by IMAP, POP3 and SMTP for real
    Test(MailboxTest),
}

/// A new mailbox.
#[derive(Debug, Args)]
pub(crate) struct MailboxAdd {
    /// The mailbox's e-mail address
    pub(crate) address: String,
    /// The provider from the configuration or a preset, such as exchange-online or outlook-com
    /// [default: `default-provider` of the configuration]
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// The tenant's domain or id (Entra)
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// The application (client) id of your app registration
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// The account that signs in for this mailbox, when it is not the mailbox itself
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) signed_in_as: Option<String>,
    #[command(flatten)]
    pub(crate) wait: Patience,
}

/// How patiently a sign-in is waited for.
#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// Show the code and return at once; the daemon waits for the sign-in
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Accept this account without asking, if it is the one that signs in
    #[arg(long, value_name = "NAME")]
    pub(crate) accept_account: Option<String>,
    /// Draw the QR code even when the output is not a terminal
    #[arg(long, conflicts_with = "json")]
    pub(crate) qr: bool,
    /// Print each step as one line of JSON, and ask nothing
    #[arg(long)]
    pub(crate) json: bool,
}

/// One mailbox.
#[derive(Debug, Args)]
pub(crate) struct MailboxShow {
    /// The mailbox's e-mail address
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// One mailbox to sign in.
#[derive(Debug, Args)]
pub(crate) struct MailboxSignIn {
    /// The mailbox's e-mail address
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) wait: Patience,
}

/// An answer to "is this the right account?".
#[derive(Debug, Args)]
#[group(required = true, multiple = false, args = ["accept_account", "decline"])]
pub(crate) struct MailboxConfirm {
    /// The mailbox's e-mail address
    pub(crate) address: String,
    /// The account that signed in, as shown
    #[arg(long, value_name = "NAME")]
    pub(crate) accept_account: Option<String>,
    /// It is the wrong account: forget this sign-in
    #[arg(long)]
    pub(crate) decline: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// A mailbox to remove.
#[derive(Debug, Args)]
pub(crate) struct MailboxRemove {
    /// The mailbox's e-mail address
    pub(crate) address: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// A mailbox to test.
#[derive(Debug, Args)]
pub(crate) struct MailboxTest {
    /// The mailbox's e-mail address
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// `portreeve device`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Add a device and print what to type into its mail settings
    #[command(after_help = "\
A password of 20 characters is made and shown once. To keep the password that a device already
has, give it on the standard input, or for many devices in a CSV file with the columns
  name,login,password,mailbox[,networks,protocols]
where several mailboxes, networks or protocols in one cell are separated by spaces or semicolons,
and an empty login or password means: make one.

Examples:
  portreeve device add \"Scanner 2nd floor\" --mailbox scans@contoso.com
  portreeve device add Tickets --mailbox help@contoso.com --login help@contoso.com --password-stdin
  portreeve device add Franking --mailbox post@contoso.com --no-password --networks 10.1.7.20/32
  portreeve device add --csv devices.csv")]
    Add(DeviceAdd),
    /// List the devices
    List(Output),
    /// Show one device and its settings card, without the password
    Show(DeviceShow),
    /// Make a new password for a device; the old one stops working at once
    NewPassword(DeviceNewPassword),
    /// Remove a device
    Remove(DeviceName),
    /// Refuse a device's logins until it is enabled again
    Disable(DeviceName),
    /// Accept a disabled device's logins again
    Enable(DeviceName),
}

/// A new device.
#[derive(Debug, Args)]
pub(crate) struct DeviceAdd {
    /// What people call it, such as "Scanner 2nd floor"
    #[arg(required_unless_present = "csv", conflicts_with = "csv")]
    pub(crate) name: Option<String>,
    /// A mailbox it may use; several times for several, the first one is its default
    #[arg(
        long = "mailbox",
        value_name = "ADDRESS",
        required_unless_present = "csv",
        conflicts_with = "csv"
    )]
    pub(crate) mailboxes: Vec<String>,
    /// The user name it logs in with [default: made from the name]
    #[arg(long, value_name = "USER", conflicts_with = "csv")]
    pub(crate) login: Option<String>,
    /// Read the password from the first line of the standard input
    #[arg(long, conflicts_with_all = ["csv", "no_password"])]
    pub(crate) password_stdin: bool,
    /// Add all devices of this CSV file, or none if a line is wrong
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_password", "networks", "protocols"])]
    pub(crate) csv: Option<PathBuf>,
    /// It cannot log in at all: recognise it by its network (needs --networks)
    #[arg(long, requires = "networks")]
    pub(crate) no_password: bool,
    /// Networks it may come from, such as 10.1.7.0/24 [default: everywhere]
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) networks: Vec<String>,
    /// Protocols it may use: smtp, imap, pop3 [default: all]
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',')]
    pub(crate) protocols: Vec<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// One device to show.
#[derive(Debug, Args)]
pub(crate) struct DeviceShow {
    /// The device's name or user name
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// One device that gets a new password.
#[derive(Debug, Args)]
pub(crate) struct DeviceNewPassword {
    /// The device's name or user name
    pub(crate) device: String,
    /// Read the new password from the first line of the standard input instead of making one
    #[arg(long)]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// One device.
#[derive(Debug, Args)]
pub(crate) struct DeviceName {
    /// The device's name or user name
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) output: Output,
}
