//! Numbers as people read them.

/// A time: `0`, `3.2 ms`, `1.5 s`, `12 min`, `1 h 5 min`, `6 d 1 h`.
pub(crate) fn time(seconds: f64) -> String {
    let whole = seconds.round();
    match seconds {
        s if s == 0.0 => "0 s".to_owned(),
        s if s < 0.001 => format!("{} µs", short(s * 1e6)),
        s if s < 0.9995 => format!("{} ms", short(s * 1e3)),
        s if s < 119.5 => format!("{} s", short(s)),
        _ if whole < 3_600.0 => pair(whole, 60.0, "min", 1.0, "s"),
        _ if whole < 86_400.0 => pair(whole, 3_600.0, "h", 60.0, "min"),
        _ => pair(whole, 86_400.0, "d", 3_600.0, "h"),
    }
}

/// Bytes: `512 B`, `3.2 KiB`, `1.5 GiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    let (unit, size) = byte_unit(bytes);
    format!("{} {unit}", short(bytes / size))
}

/// The largest unit that a number of bytes has at least one of, and its size.
pub(crate) fn byte_unit(bytes: f64) -> (&'static str, f64) {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let units = units.map(|(unit, bits)| (unit, (1_u64 << bits) as f64));
    units.into_iter().find(|(_, size)| bytes >= *size).unwrap_or(("B", 1.0))
}

/// A count, with commas: `12,345`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut said = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// A part in percent, and never 100 % of what is not all: `97.4 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if part >= whole {
        return "100 %".to_owned();
    }
    let tenths = (part as f64 / whole as f64 * 1e3).floor();
    if tenths >= 999.0 {
        return format!("{} %", (part as f64 / whole as f64 * 1e5).floor() / 1e3);
    }
    format!("{} %", tenths / 10.0)
}

/// Three digits: `0.123`, `1.23`, `12.3`, `123`, `1,235`.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 99.95 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(size.round() as u64));
    }
    let digits = if size >= 9.995 {
        1
    } else if size >= 0.9995 {
        2
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn pair(seconds: f64, large: f64, large_unit: &str, small: f64, small_unit: &str) -> String {
    let smalls = (seconds / small).round() as u64;
    let each = (large / small) as u64;
    let (larges, rest) = (smalls / each, smalls % each);
    let larges = format!("{} {large_unit}", count(larges));
    if rest == 0 { larges } else { format!("{larges} {rest} {small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_read_them() {
        let times = [0.0, 0.000_25, 0.0123, 0.9999, 1.5, 61.0, 600.0, 3_599.9, 3_900.0, 522_000.0];
        let said = times.map(time);
        let expected = [
            "0 s",
            "250 µs",
            "12.3 ms",
            "1 s",
            "1.5 s",
            "61 s",
            "10 min",
            "1 h",
            "1 h 5 min",
            "6 d 1 h",
        ];
        assert_eq!(said, expected);
        assert_eq!(
            [0.0, 1_023.0, 1_536.0, 3.0e9].map(bytes),
            ["0 B", "1,023 B", "1.5 KiB", "2.79 GiB"]
        );
        assert_eq!([7, 1_234, 1_234_567].map(count), ["7", "1,234", "1,234,567"]);
        assert_eq!(percent(487, 500), "97.4 %");
        assert_eq!(percent(99_999, 100_000), "99.999 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!([-1_234.5, 0.05, 0.0].map(short), ["-1,235", "0.05", "0"]);
    }
}
