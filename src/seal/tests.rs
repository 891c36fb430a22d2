use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::clock::SystemClock;

/// A file path of its own, removed with its holder.
struct Scratch(PathBuf);

impl Scratch {
    fn empty() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidewaiter-seal-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn with(text: &str) -> Self {
        let scratch = Self::empty();
        std::fs::write(&scratch.0, text).unwrap();
        std::fs::set_permissions(&scratch.0, std::fs::Permissions::from_mode(0o600)).unwrap();
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// 32 bytes 0, 1, 2 … in base64, and the same backwards.
const KEY_A: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const KEY_B: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

fn sealer(text: &str) -> Sealer {
    Sealer::from_key_file(&Scratch::with(text).0).unwrap()
}

fn place() -> Binding<'static> {
    Binding { table: "credentials", field: "blob", environment: Uuid::from_u128(5), row: b"row 1", version: 3 }
}

fn opened(sealer: &Sealer, binding: &Binding<'_>, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
    sealer.open(binding, sealed).map(|plain| plain.expose_secret().clone())
}

#[test]
fn a_sealed_value_has_the_stored_form_and_opens_in_its_place() {
    let sealer = sealer(&format!("k1:{KEY_A}"));
    let sealed = sealer.seal(&place(), b"canary-secret").unwrap();
    assert_eq!(sealed.as_bytes()[..9], *b"\x01k1\0\0\0\0\0\0");
    assert_eq!(sealed.as_bytes().len(), 1 + 8 + 12 + 13 + 16);
    assert_eq!(opened(&sealer, &place(), &sealed).unwrap(), b"canary-secret");
}

#[test]
fn the_same_value_sealed_twice_looks_different() {
    let sealer = sealer(&format!("k1:{KEY_A}"));
    assert_ne!(sealer.seal(&place(), b"x").unwrap(), sealer.seal(&place(), b"x").unwrap());
}

#[test]
fn a_value_does_not_open_in_any_other_place() {
    let sealer = sealer(&format!("k1:{KEY_A}"));
    let sealed = sealer.seal(&place(), b"secret").unwrap();
    let others = [
        Binding { table: "runs", ..place() },
        Binding { field: "other", ..place() },
        Binding { environment: Uuid::nil(), ..place() },
        Binding { row: b"row 2", ..place() },
        Binding { version: 4, ..place() },
        // The same bytes in a row, cut elsewhere.
        Binding { table: "credentialsb", field: "lob", ..place() },
    ];
    for other in others {
        assert_eq!(opened(&sealer, &other, &sealed), Err(SealError::Damaged), "{other:?}");
    }
}

#[test]
fn a_value_cut_at_any_byte_is_damaged() {
    let sealer = sealer(&format!("k1:{KEY_A}"));
    let sealed = sealer.seal(&place(), b"secret").unwrap();
    for len in 0..sealed.as_bytes().len() {
        let cut = Sealed::from_bytes(sealed.as_bytes()[..len].to_vec());
        assert_eq!(opened(&sealer, &place(), &cut), Err(SealError::Damaged), "{len} bytes");
    }
}

#[test]
fn a_value_with_any_bit_changed_does_not_open() {
    let sealer = sealer(&format!("k1:{KEY_A}\nk2:{KEY_B}"));
    let sealed = sealer.seal(&place(), b"secret").unwrap();
    for bit in 0..sealed.as_bytes().len() * 8 {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(opened(&sealer, &place(), &Sealed::from_bytes(bytes)).is_err(), "bit {bit}");
    }
}

#[test]
fn the_first_key_seals_and_all_keys_open() {
    let old = sealer(&format!("old:{KEY_A}\n"));
    let both = sealer(&format!("# the new one\nnew:{KEY_B}\n\n  old:{KEY_A}  \n"));
    let new = sealer(&format!("new:{KEY_B}"));
    let before = old.seal(&place(), b"before").unwrap();
    let after = both.seal(&place(), b"after").unwrap();
    assert_eq!(opened(&both, &place(), &before).unwrap(), b"before");
    assert_eq!(opened(&new, &place(), &after).unwrap(), b"after");
    let missing = opened(&new, &place(), &before).unwrap_err();
    assert_eq!(missing, SealError::UnknownKey { id: KeyId::parse("old").unwrap() });
    assert!(missing.to_string().contains("`old`"));
}

#[test]
fn another_key_under_the_same_id_does_not_open() {
    let sealed = sealer(&format!("k1:{KEY_A}")).seal(&place(), b"secret").unwrap();
    assert_eq!(opened(&sealer(&format!("k1:{KEY_B}")), &place(), &sealed), Err(SealError::Damaged));
}

#[test]
fn a_bad_key_file_is_refused_with_its_line_and_without_its_text() {
    let same = "k1:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let cases: [(&str, &str); 9] = [
        ("", "holds no key"),
        ("# nothing\n\n", "holds no key"),
        (KEY_A, "line 1"),
        (&format!("\nKey:{KEY_A}"), "line 2"),
        (&format!("toolongid:{KEY_A}"), "line 1"),
        (&format!(":{KEY_A}"), "line 1"),
        ("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "not 32 bytes"),
        (same, "same byte"),
        (&format!("k1:{KEY_A}\nk1:{KEY_B}"), "line 2"),
    ];
    for (text, expected) in cases {
        let problem = Sealer::from_key_file(&Scratch::with(text).0).unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}");
        assert!(!problem.contains("AAECAwQF"), "{problem}");
    }
}

#[test]
fn a_missing_key_file_is_told_from_one_that_cannot_be_read() {
    let missing = Sealer::from_key_file(&Scratch::empty().0).unwrap_err();
    assert!(matches!(missing, KeyProblem::Missing { .. }), "{missing}");
    let unreadable = Sealer::from_key_file(std::path::Path::new("/dev/null/no-directory")).unwrap_err();
    assert!(matches!(unreadable, KeyProblem::Unreadable { .. }), "{unreadable}");
}

#[test]
fn a_key_file_that_others_may_use_is_refused() {
    let file = Scratch::with(&format!("k1:{KEY_A}"));
    for mode in [0o640, 0o604, 0o620, 0o601] {
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(mode)).unwrap();
        let problem = Sealer::from_key_file(&file.0).unwrap_err();
        assert!(matches!(problem, KeyProblem::Exposed { mode: told, .. } if told == mode), "{problem}");
    }
}

#[test]
fn a_new_key_file_is_private_and_works_and_is_never_overwritten() {
    let file = Scratch::empty();
    create_key_file(&file.0, &SystemClock::default()).unwrap();
    assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = Sealer::from_key_file(&file.0).unwrap().seal(&place(), b"secret").unwrap();
    let again = create_key_file(&file.0, &SystemClock::default()).unwrap_err();
    assert!(matches!(again, KeyProblem::Exists { .. }), "{again}");
    assert_eq!(opened(&Sealer::from_key_file(&file.0).unwrap(), &place(), &sealed).unwrap(), b"secret");
}

#[test]
fn two_new_key_files_hold_different_keys() {
    let files = [Scratch::empty(), Scratch::empty()];
    let texts = files.each_ref().map(|file| {
        create_key_file(&file.0, &SystemClock::default()).unwrap();
        std::fs::read_to_string(&file.0).unwrap()
    });
    assert_ne!(texts[0], texts[1]);
}

#[test]
fn nothing_prints_a_secret() {
    let sealer = sealer(&format!("k1:{KEY_A}"));
    let sealed = sealer.seal(&place(), b"canary").unwrap();
    assert_eq!(format!("{sealer:?}"), "[k1]");
    assert_eq!(format!("{sealed:?}"), "[sealed, 43 bytes]");
    assert!(!format!("{:?}", sealer.open(&place(), &sealed).unwrap()).contains("canary"));
}

proptest! {
    #[test]
    fn what_is_sealed_opens_unchanged(
        plain in proptest::collection::vec(any::<u8>(), 0..300),
        row in proptest::collection::vec(any::<u8>(), 0..40),
        version in any::<i64>(),
    ) {
        let sealer = sealer(&format!("k1:{KEY_A}"));
        let binding = Binding { row: &row, version, ..place() };
        let sealed = sealer.seal(&binding, &plain).unwrap();
        prop_assert_eq!(opened(&sealer, &binding, &sealed).unwrap(), plain);
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let sealer = sealer(&format!("k1:{KEY_A}"));
        prop_assert!(opened(&sealer, &place(), &Sealed::from_bytes(bytes)).is_err());
    }
}
