//! All use cases by name: the one table that socket and command line share.
//!
//! A row says which request runs which function; the answer's type follows the request's.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Asker, Control, Failure, ca, device, mailbox, reload, sign_in, status};

/// A request, and what it is answered with.
pub(crate) trait Asks: Into<Call> {
    /// The answer when it worked.
    type Answer: DeserializeOwned;
}

macro_rules! calls {
    ($($name:ident($request:ty) -> $answer:ty = $function:path;)*) => {
        /// Any request.
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum Call {
            $($name($request),)*
        }

        $(
            impl Asks for $request {
                type Answer = $answer;
            }

            impl From<$request> for Call {
                fn from(request: $request) -> Self {
                    Self::$name(request)
                }
            }
        )*

        /// Runs the use case.
        pub(crate) async fn perform(
            control: &Control,
            call: Call,
            asker: &Asker,
        ) -> Result<serde_json::Value, Failure> {
            match call {
                $(Call::$name(request) => {
                    // Boxed: each use case has its own size, and most callers wait for a small one.
                    let answer: $answer = Box::pin($function(control, request, asker)).await?;
                    value(&answer)
                })*
            }
        }
    };
}

calls! {
    MailboxAdd(mailbox::Add) -> mailbox::Added = mailbox::add;
    MailboxList(mailbox::List) -> Vec<mailbox::MailboxView> = mailbox::list;
    MailboxShow(mailbox::Show) -> mailbox::MailboxView = mailbox::show;
    MailboxRemove(mailbox::Remove) -> mailbox::Removed = mailbox::remove;
    MailboxTest(mailbox::Test) -> mailbox::Tested = mailbox::test;
    SignInBegin(sign_in::Begin) -> sign_in::SignInView = sign_in::begin;
    SignInFollow(sign_in::Follow) -> sign_in::SignInView = sign_in::follow;
    SignInConfirm(sign_in::Confirm) -> sign_in::SignInView = sign_in::confirm;
    DeviceAdd(device::Add) -> device::Added = device::add;
    DeviceImport(device::Import) -> Vec<device::Imported> = device::import;
    DeviceList(device::List) -> Vec<device::DeviceView> = device::list;
    DeviceShow(device::Show) -> device::Shown = device::show;
    DeviceNewPassword(device::NewPassword) -> device::Added = device::new_password;
    DeviceRemove(device::Remove) -> device::DeviceView = device::remove;
    DeviceSetEnabled(device::SetEnabled) -> device::DeviceView = device::set_enabled;
    CaExport(ca::Export) -> ca::Exported = ca::export;
    Status(status::Get) -> status::Status = status::get;
    Reload(reload::Reload) -> reload::Reloaded = reload::reload;
}

fn value(answer: &impl Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(answer)
        .map_err(|error| Failure::portreeve(format!("The answer could not be written: {error}.")))
}
