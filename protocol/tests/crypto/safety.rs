//! Safety numbers.

use martlet_protocol::ids::IdentityId;
use martlet_protocol::safety::{SafetyCode, SafetyCodeError, SafetyNumber};
use proptest::prelude::*;

use crate::vectors;

fn number(one: u8, other: u8) -> SafetyNumber {
    SafetyNumber::of(&IdentityId([one; 32]), &IdentityId([other; 32]))
}

fn code(text: &str) -> SafetyCode {
    text.parse().unwrap()
}

#[test]
fn vectors() {
    let number = number(1, 2);
    vectors::check(
        "safety.txt",
        "The safety number of the identities of 32 bytes 01 and 32 bytes 02: its digits, and the text
        of its QR code, as ASCII.",
        &[
            ("digits", number.to_string().into_bytes()),
            ("text", number.to_text().into_bytes()),
        ],
    );
}

#[test]
fn both_sides_have_the_same_number_and_each_half_is_of_one_side() {
    let (ours, theirs) = (number(1, 2), number(2, 1));
    assert_eq!(ours, theirs);
    let digits = ours.to_string();
    let groups: Vec<&str> = digits.split(' ').collect();
    assert_eq!(groups.len(), 12);
    assert!(groups.iter().all(|group| group.len() == 5));
    // With someone else one half stays, and the other does not.
    let other = number(1, 3).to_string();
    let kept =
        [&groups[..6], &groups[6..]].iter().filter(|half| other.contains(&half.join(" "))).count();
    assert_eq!(kept, 1);
}

#[test]
fn it_is_taken_however_it_is_spaced_and_from_a_qr_code() {
    let number = number(1, 2);
    let digits = number.to_string();
    let packed = digits.replace(' ', "");
    let dashes = digits.replace(' ', "-");
    let lines = digits.replace(' ', "\u{a0}\n\t");
    let text = number.to_text();
    assert!(text.len() <= 128, "{}", text.len());
    for given in
        [&digits, &packed, &dashes, &lines, &text, &text.to_uppercase(), &format!(" {text}\n")]
    {
        assert_eq!(number.compare(&code(given)), Ok(()), "{given}");
    }
}

#[test]
fn what_differs_is_told_by_groups() {
    let digits = number(1, 2).to_string();
    let last = if digits.ends_with('0') { '1' } else { '0' };
    let mistyped = format!("{}{last}", &digits[..digits.len() - 1]);
    assert_eq!(number(1, 2).compare(&code(&mistyped)).unwrap_err().groups, [12]);
    for theirs in [number(1, 3).to_string(), number(1, 3).to_text()] {
        assert!(number(1, 2).compare(&code(&theirs)).unwrap_err().groups.len() >= 6);
    }
}

#[test]
fn what_is_no_safety_number_says_why() {
    let digits = number(1, 2).to_string();
    let text = number(1, 2).to_text();
    let refused = |text: &str| text.parse::<SafetyCode>().unwrap_err();
    assert_eq!(refused(""), SafetyCodeError::Digits { found: 0 });
    assert_eq!(refused(&digits[..65]), SafetyCodeError::Digits { found: 55 });
    assert_eq!(refused(&format!("{digits}7")), SafetyCodeError::Digits { found: 61 });
    assert_eq!(refused("martlet1qq"), SafetyCodeError::Character { character: 'm' });
    // Digits of another script look like others here.
    assert_eq!(refused("١"), SafetyCodeError::Character { character: '١' });
    assert_eq!(refused(&text[..text.len() - 1]), SafetyCodeError::Damaged);
    assert_eq!(refused("martletsafe1"), SafetyCodeError::Damaged);
    assert_eq!(refused(&format!("{text}{}", "q".repeat(2000))), SafetyCodeError::Damaged);
    // Halves in the other order: both sides have one text.
    use bech32::{Bech32m, Hrp};
    let bytes = [[9; 30], [8; 30]].concat();
    let swapped = bech32::encode::<Bech32m>(Hrp::parse("martletsafe").unwrap(), &bytes).unwrap();
    assert_eq!(refused(&swapped), SafetyCodeError::Damaged);
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in any::<String>()) {
        let _ = text.parse::<SafetyCode>();
    }
}
