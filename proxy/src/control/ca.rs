//! Use case of the certificate authority: export.

use serde::{Deserialize, Serialize};

use super::{Asker, Control, Failure};
use crate::{config::Config, door::Certificates};

/// Asks for the certificate that devices import.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Export {}

/// The certificate.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exported {
    /// As PEM.
    pub(crate) pem: String,
    /// What the person should know about it.
    pub(crate) remark: Option<String>,
}

/// The certificate that devices import.
pub(crate) async fn export(control: &Control, _: Export, _: &Asker) -> Result<Exported, Failure> {
    exported(&control.config())
}

/// The same without a store: the authority is a file.
pub(crate) fn exported(config: &Config) -> Result<Exported, Failure> {
    let pem = Certificates::ca_pem(config).map_err(|error| {
        Failure::portreeve(format!(
            "The certificate authority cannot be read or made: {error}."
        ))
    })?;
    let remark = config.tls.own.as_ref().map(|own| {
        format!(
            "Note: the configuration names a certificate of your own ({}); devices need the \
             authority that issued that one, not this.",
            own.certificate.display()
        )
    });
    Ok(Exported { pem, remark })
}
