//! Amounts of money in a currency's smallest unit and back. An unknown currency leaves the amount as it is.

use serde_json::Value;

use super::Function;
use super::call::{Outcome, argument, data};
use super::js;
use crate::expression::text::leading_number;

pub(super) const FUNCTIONS: &[Function] =
    &[("convertCurrencyFromSubunit", || data(2, from_subunit)), ("convertCurrencyToSubunit", || data(2, to_subunit))];

/// The codes of ISO 4217 that the model's pack knows, by the digits behind the point.
const DIGITS: &[(i32, &str)] = &[
    (
        0,
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XAG XAU XBA XBB XBC XBD XDR XOF XPD XPF \
         XPT XSU XTS XUA XXX",
    ),
    (
        2,
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD \
         CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP \
         GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD \
         MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR \
         PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY \
         TTD TWD TZS UAH USD USN UYU UZS VES WST XCD YER ZAR ZMW ZWL",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// The digits of a currency, by its code in capitals.
fn digits(code: Option<&Value>) -> Option<i32> {
    let code = js::text(code);
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let known = |(_, codes): &&(i32, &str)| codes.split_ascii_whitespace().any(|known| known == code);
    if is_code { DIGITS.iter().find(known).map(|(digits, _)| *digits) } else { None }
}

/// The number that the amount starts with.
fn amount(value: &Value) -> f64 {
    leading_number(&js::text(Some(value))).and_then(|number| number.as_f64()).unwrap_or(f64::NAN)
}

/// `12.5` and `USD` become `1250`; what is smaller than the smallest unit is dropped.
fn to_subunit(args: &[Option<Value>]) -> Outcome {
    match (argument(args, 0), digits(argument(args, 1))) {
        (Some(value), Some(digits)) if !value.is_null() => {
            Ok(Some(js::json_number((amount(value) * 10_f64.powi(digits)).floor())))
        }
        (value, _) => Ok(value.cloned()),
    }
}

/// `1250` and `USD` become `"12.50"`.
fn from_subunit(args: &[Option<Value>]) -> Outcome {
    match (argument(args, 0), digits(argument(args, 1))) {
        (Some(value), Some(digits)) if !value.is_null() => {
            Ok(Some(fixed(amount(value) / 10_f64.powi(digits), digits as usize).into()))
        }
        (value, _) => Ok(value.cloned()),
    }
}

/// `toFixed`: the number's exact decimal value, halves away from zero, where the standard library rounds to even.
fn fixed(number: f64, digits: usize) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.abs() >= 1e21 {
        return js::text(Some(&js::json_number(number)));
    }
    // A double that ends in a half at the fifth digit has ended within 80 digits.
    let exact = format!("{:.80}", number.abs());
    let (whole, fraction) = exact.split_once('.').unwrap_or((&exact, ""));
    let is_up = fraction.as_bytes().get(digits).is_some_and(|digit| *digit >= b'5');
    let mut kept: Vec<u8> = whole.bytes().chain(fraction.bytes().take(digits)).collect();
    if is_up {
        let nines = kept.iter().rev().take_while(|digit| **digit == b'9').count();
        let length = kept.len();
        kept[length - nines..].fill(b'0');
        match (length - nines).checked_sub(1) {
            Some(last) => kept[last] += 1,
            None => kept.insert(0, b'1'),
        }
    }
    let mut out: String = kept.iter().map(|digit| char::from(*digit)).collect();
    if digits > 0 {
        out.insert(out.len() - digits, '.');
    }
    if number < 0.0 { format!("-{out}") } else { out }
}
