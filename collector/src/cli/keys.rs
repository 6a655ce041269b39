//! `phasor keys`: makes, lists and revokes keys in the store of a data directory.

use std::{
    error::Error,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use super::{Keys, Role};
use crate::phase_store::keys::{self, KeyRow, KeysError, NewKey};

pub(super) fn keys(
    command: &Keys,
    data_dir: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    match execute(command, data_dir, out) {
        Ok(written) => written.map(|()| ExitCode::SUCCESS),
        Err(error) => {
            write!(err, "error: {error}")?;
            let mut cause = error.source();
            while let Some(inner) = cause {
                write!(err, ": {inner}")?;
                cause = inner.source();
            }
            writeln!(err)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn execute(command: &Keys, data_dir: &Path, out: &mut dyn Write) -> Result<io::Result<()>, KeysError> {
    Ok(match command {
        Keys::Create(key) => {
            let role = match key.role {
                Role::Ingest => keys::Role::Ingest,
                Role::Read => keys::Role::Read,
                Role::Operator => keys::Role::Operator,
            };
            let (name, customer, owners) = (key.name.clone(), key.customer.clone(), key.owners.clone());
            let secret = keys::create(data_dir, &NewKey { name, customer, role, owners })?;
            writeln!(out, "{}", secret.reveal())
        }
        Keys::List => keys::list(data_dir)?.iter().try_for_each(|key| writeln!(out, "{}", describe(key))),
        Keys::Revoke { id } => {
            keys::revoke(data_dir, *id)?;
            writeln!(out, "key {id} is revoked")
        }
    })
}

/// `3  operator  default  "ci"  owners: all  2026-11-21T03:41:50.000000Z`
fn describe(key: &KeyRow) -> String {
    let KeyRow { id, name, customer, role, owners, inserted_at, revoked_at } = key;
    let owners = owners.as_ref().map_or_else(|| "all".to_owned(), |owners| owners.join(", "));
    let revoked = revoked_at.as_ref().map_or_else(String::new, |at| format!("  revoked {at}"));
    format!("{id:4}  {role:8}  {customer:16}  {name:?}  owners: {owners}  {inserted_at}{revoked}")
}
