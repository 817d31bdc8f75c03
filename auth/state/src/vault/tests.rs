use secrecy::{ExposeSecret, SecretString};

use super::*;

fn vault(byte: u8) -> Vault {
    Vault::new(MasterKey::new(SecretBox::new(Box::new([byte; 32]))))
}

fn place<'a>(table: &'static str, column: &'static str, row: &'a str) -> Place<'a> {
    Place { table, column, row }
}

#[test]
fn a_sealed_value_opens_only_in_its_place() {
    let vault = vault(1);
    let sealed = vault
        .seal(place("grant_", "token", "a"), b"secret")
        .unwrap();
    let open = |place| vault.open(place, &sealed);
    assert_eq!(**open(place("grant_", "token", "a")).unwrap(), *b"secret");
    for wrong in [
        place("grant_", "token", "b"),
        place("grant_", "other", "a"),
        place("device", "token", "a"),
    ] {
        assert!(matches!(open(wrong), Err(StoreError::Unsealable { .. })));
    }
}

#[test]
fn every_changed_or_missing_byte_is_noticed() {
    let vault = vault(1);
    let here = place("t", "c", "r");
    let sealed = vault.seal(here, b"x").unwrap();
    for i in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[i] ^= 1;
        assert!(vault.open(here, &changed).is_err());
        assert!(vault.open(here, &sealed[..i]).is_err());
    }
}

#[test]
fn the_same_text_is_sealed_differently_each_time_and_keys_differ() {
    let here = place("t", "c", "r");
    let text = SecretString::from("text");
    let (first, second) = (vault(1), vault(2));
    let sealed = first.seal_text(here, &text).unwrap();
    assert_ne!(sealed, first.seal_text(here, &text).unwrap());
    assert!(second.open_text(here, &sealed).is_err());
    assert_ne!(first.key_id(), second.key_id());
    let derived = |vault: &Vault, label| *vault.derive_key(label).expose_secret();
    assert_eq!(derived(&first, "a"), derived(&first, "a"));
    assert_ne!(derived(&first, "a"), derived(&first, "b"));
    assert_ne!(derived(&first, "a"), derived(&second, "a"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_come_back_and_garbage_never_opens(plain: Vec<u8>, garbage: Vec<u8>) {
        let vault = vault(7);
        let here = place("t", "c", "r");
        let sealed = vault.seal(here, &plain).unwrap();
        assert_eq!(*vault.open(here, &sealed).unwrap(), plain);
        assert!(vault.open(here, &garbage).is_err());
    }
}
