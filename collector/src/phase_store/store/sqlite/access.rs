//! API keys in SQLite. The functions take a connection, because `phasor keys` uses them from
//! another process while the server runs.

use rusqlite::{Connection, OptionalExtension, Row};
use subtle::ConstantTimeEq;

use crate::phase_store::keys::{Access, KeyRow, NewKey, Role};

/// Whose key has this digest. Revoked keys are nobody's.
pub fn find(connection: &Connection, digest: &str) -> rusqlite::Result<Option<Access>> {
    let mut select = connection.prepare_cached(
        "SELECT digest, id, customer_id, role, scoped FROM api_keys WHERE digest = ?1 AND revoked_at IS NULL",
    )?;
    let found = select.query_row([digest], |row| {
        let (stored, role): (String, String) = (row.get(0)?, row.get(3)?);
        // The index finds by comparing; this is what the decision rests on.
        let same = bool::from(stored.as_bytes().ct_eq(digest.as_bytes()));
        let (key, customer, scoped): (i64, i64, bool) = (row.get(1)?, row.get(2)?, row.get(4)?);
        Ok(same.then_some((key, customer, role, scoped)))
    });
    let Some((key, customer, role, scoped)) = found.optional()?.flatten() else { return Ok(None) };
    let owners = if scoped { Some(owners(connection, key)?) } else { None };
    Ok(Role::parse(&role).map(|role| Access { key, customer, role, owners }))
}

/// Whether no key was ever made.
pub fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM api_keys)", [], |row| row.get(0))
}

/// Writes one key, and its customer and accounts where they are new. `false` if the digest is taken.
pub fn insert(
    connection: &mut Connection,
    key: &NewKey,
    digest: &str,
    now: &str,
) -> rusqlite::Result<Option<i64>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let customer = "INSERT INTO customers (name, inserted_at) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    transaction.execute(customer, (&key.customer, now))?;
    let id = transaction
        .query_row(
            "INSERT INTO api_keys (customer_id, digest, name, role, scoped, inserted_at)
             SELECT id, ?2, ?3, ?4, ?5, ?6 FROM customers WHERE name = ?1
             ON CONFLICT (digest) DO NOTHING RETURNING id",
            (&key.customer, digest, &key.name, key.role.as_str(), !key.owners.is_empty(), now),
            |row| row.get::<_, i64>(0),
        )
        .optional()?;
    for owner in id.iter().flat_map(|_| &key.owners) {
        let owner = owner.to_lowercase();
        transaction.execute(
            "INSERT INTO forge_accounts (customer_id, name, inserted_at)
             SELECT id, ?2, ?3 FROM customers WHERE name = ?1 ON CONFLICT (customer_id, name) DO NOTHING",
            (&key.customer, &owner, now),
        )?;
        transaction.execute(
            "INSERT INTO api_key_forge_accounts (api_key_id, forge_account_id)
             SELECT ?1, f.id FROM forge_accounts f JOIN customers c ON c.id = f.customer_id
             WHERE c.name = ?2 AND f.name = ?3 ON CONFLICT DO NOTHING",
            (id, &key.customer, &owner),
        )?;
    }
    transaction.commit()?;
    Ok(id)
}

/// All keys, oldest first.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<KeyRow>> {
    let mut select = connection.prepare(
        "SELECT k.id, k.name, c.name, k.role, k.scoped, k.inserted_at, k.revoked_at
         FROM api_keys k JOIN customers c ON c.id = k.customer_id ORDER BY k.id",
    )?;
    let read = |row: &Row<'_>| {
        let (id, scoped): (i64, bool) = (row.get(0)?, row.get(4)?);
        Ok(KeyRow {
            id,
            name: row.get(1)?,
            customer: row.get(2)?,
            role: row.get(3)?,
            owners: if scoped { Some(owners(connection, id)?) } else { None },
            inserted_at: row.get(5)?,
            revoked_at: row.get(6)?,
        })
    };
    select.query_map([], read)?.collect()
}

/// Revokes a key. `false` if there is none of that id that is not revoked already.
pub fn revoke(connection: &Connection, id: i64, now: &str) -> rusqlite::Result<bool> {
    let update = "UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
    Ok(connection.execute(update, (id, now))? == 1)
}

fn owners(connection: &Connection, key: i64) -> rusqlite::Result<Vec<String>> {
    let mut select = connection.prepare_cached(
        "SELECT f.name FROM api_key_forge_accounts a JOIN forge_accounts f ON f.id = a.forge_account_id
         WHERE a.api_key_id = ?1 ORDER BY f.name",
    )?;
    select.query_map([key], |row| row.get(0))?.collect()
}
