//! Devices: a login each, and the mailboxes that it may use.
//!
//! How a password is checked is not known here; its verifier is kept sealed. Networks and
//! protocols are kept as the caller writes them.

use std::fmt;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use crate::sql::{column, fold_case, from_json, sql, to_json};
use crate::vault::Place;
use crate::{DeviceId, MailboxId, Millis, Store, StoreError};

/// One device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What people call it.
    pub name: String,
    /// Its user name as it was typed; unique without case.
    pub login: String,
    /// How its password is checked.
    pub password: Password,
    /// Networks it may come from; empty: all.
    pub networks: Vec<String>,
    /// Protocols it may use; empty: all.
    pub protocols: Vec<String>,
    /// Whether it may log in at all.
    pub enabled: bool,
    /// When it was added.
    pub created_at: Millis,
}

/// How a device's password is checked. Debug shows the kind only.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// There is none; the device is known by its network.
    None,
    /// Made by us: a keyed hash.
    Generated([u8; 32]),
    /// Chosen by a person or kept from before: a slow hash, as text.
    Chosen(String),
}

/// A device to be added.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// What people call it.
    pub name: String,
    /// Its user name.
    pub login: String,
    /// How its password is checked.
    pub password: Password,
    /// Networks it may come from; empty: all.
    pub networks: Vec<String>,
    /// Protocols it may use; empty: all.
    pub protocols: Vec<String>,
}

/// A mailbox that a device may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The device.
    pub device: DeviceId,
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The lowest one is the device's default.
    pub position: i64,
}

impl Store {
    /// All devices, by login.
    pub async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let rows = sqlx::query("SELECT * FROM device ORDER BY login_key")
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(|row| self.read_device(row)).collect()
    }

    /// One device.
    pub async fn device(&self, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let row = sqlx::query("SELECT * FROM device WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| self.read_device(&row)).transpose()
    }

    /// The device with this login, without regard to case.
    pub async fn device_by_login(&self, login: &str) -> Result<Option<Device>, StoreError> {
        let row = sqlx::query("SELECT * FROM device WHERE login_key = $1")
            .bind(fold_case(login))
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| self.read_device(&row)).transpose()
    }

    /// All bindings, each device's in order.
    pub async fn bindings(&self) -> Result<Vec<Binding>, StoreError> {
        let rows = sqlx::query("SELECT * FROM binding ORDER BY device_id, position")
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(read_binding).collect()
    }

    /// Adds a device bound to these mailboxes; the first is its default.
    pub async fn add_device(
        &self,
        device: &NewDevice,
        mailboxes: &[MailboxId],
    ) -> Result<Device, StoreError> {
        let id = DeviceId::random();
        let mut write = self.write().await?;
        let row = sqlx::query(sql(
            "INSERT INTO device (id, name, login, login_key, password_kind, password,
                                 networks, protocols, enabled, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, {now}) RETURNING *",
        ))
        .bind(id.as_str())
        .bind(&device.name)
        .bind(&device.login)
        .bind(fold_case(&device.login))
        .bind(device.password.kind())
        .bind(self.seal_password(&id, &device.password)?)
        .bind(to_json(&device.networks)?)
        .bind(to_json(&device.protocols)?)
        .fetch_one(&mut *write)
        .await
        .map_err(|error| StoreError::from_insert(error, "a device with this login", ""))?;
        bind_all(&mut write, &id, mailboxes).await?;
        write.commit().await?;
        self.read_device(&row)
    }

    /// Changes how a device's password is checked.
    pub async fn set_password(&self, id: &DeviceId, password: &Password) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query("UPDATE device SET password_kind = $2, password = $3 WHERE id = $1")
            .bind(id.as_str())
            .bind(password.kind())
            .bind(self.seal_password(id, password)?)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        found(done.rows_affected())
    }

    /// Lets a device log in, or not.
    pub async fn set_enabled(&self, id: &DeviceId, enabled: bool) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query("UPDATE device SET enabled = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(i64::from(enabled))
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        found(done.rows_affected())
    }

    /// Binds a device to exactly these mailboxes; the first is its default.
    pub async fn bind(&self, id: &DeviceId, mailboxes: &[MailboxId]) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM binding WHERE device_id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        bind_all(&mut write, id, mailboxes).await?;
        write.commit().await?;
        Ok(())
    }

    /// Removes a device and its bindings.
    pub async fn remove_device(&self, id: &DeviceId) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM device WHERE id = $1")
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        found(done.rows_affected())
    }

    fn seal_password(
        &self,
        id: &DeviceId,
        password: &Password,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let value = match password {
            Password::None => return Ok(None),
            Password::Generated(tag) => &tag[..],
            Password::Chosen(hash) => hash.as_bytes(),
        };
        self.vault().seal(password_of(id), value).map(Some)
    }

    fn read_device(&self, row: &AnyRow) -> Result<Device, StoreError> {
        let id = DeviceId::from(column::<&str>(row, "id")?);
        let sealed: Option<Vec<u8>> = column(row, "password")?;
        let value = sealed
            .map(|sealed| self.vault().open(password_of(&id), &sealed))
            .transpose()?;
        Ok(Device {
            name: column(row, "name")?,
            login: column(row, "login")?,
            password: Password::read(column(row, "password_kind")?, value)?,
            networks: from_json(column(row, "networks")?, "device.networks")?,
            protocols: from_json(column(row, "protocols")?, "device.protocols")?,
            enabled: column::<i64>(row, "enabled")? != 0,
            created_at: column(row, "created_at")?,
            id,
        })
    }
}

impl Password {
    fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Generated(_) => "generated",
            Self::Chosen(_) => "chosen",
        }
    }

    fn read(kind: &str, value: Option<Zeroizing<Vec<u8>>>) -> Result<Self, StoreError> {
        match (kind, value) {
            ("none", None) => Some(Self::None),
            ("generated", Some(tag)) => tag.as_slice().try_into().ok().map(Self::Generated),
            ("chosen", Some(hash)) => str::from_utf8(&hash)
                .ok()
                .map(|hash| Self::Chosen(hash.to_owned())),
            _ => None,
        }
        .ok_or_else(|| StoreError::Corrupt("device.password".into()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Password({})", self.kind())
    }
}

async fn bind_all(
    write: &mut AnyConnection,
    id: &DeviceId,
    mailboxes: &[MailboxId],
) -> Result<(), StoreError> {
    for (position, mailbox) in (0_i64..).zip(mailboxes) {
        sqlx::query("INSERT INTO binding (device_id, mailbox_id, position) VALUES ($1, $2, $3)")
            .bind(id.as_str())
            .bind(mailbox.as_str())
            .bind(position)
            .execute(&mut *write)
            .await
            .map_err(|error| {
                StoreError::from_insert(error, "this binding", "the device or the mailbox")
            })?;
    }
    Ok(())
}

fn password_of(id: &DeviceId) -> Place<'_> {
    Place {
        table: "device",
        column: "password",
        row: id.as_str(),
    }
}

fn read_binding(row: &AnyRow) -> Result<Binding, StoreError> {
    Ok(Binding {
        device: column::<&str>(row, "device_id")?.into(),
        mailbox: column::<&str>(row, "mailbox_id")?.into(),
        position: column(row, "position")?,
    })
}

fn found(rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        Err(StoreError::NotFound("the device"))
    } else {
        Ok(())
    }
}
