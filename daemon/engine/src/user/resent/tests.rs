use super::*;

const WHO: IdentityId = IdentityId([1; 32]);
const AT: (DeviceId, IdentityId) = (DeviceId([2; 32]), WHO);
const NOW: UnixMillis = UnixMillis(1_000_000_000);

fn record(since: UnixMillis, heard_at: UnixMillis) -> LossRecord {
    LossRecord {
        identity: WHO,
        device: AT.0,
        line: WHO,
        since,
        from: since,
        heard_at,
        is_done: true,
    }
}

#[test]
fn a_time_that_was_said_is_news_once() {
    let mut resent = Resent::default();
    let known = [record(UnixMillis(7), NOW)];
    let mut is_news = |since| {
        resent.is_news(AT, Loss::Said(UnixMillis(since)), (known.iter(), NOW.plus(RESENT_INTERVAL)))
    };
    assert!(!is_news(7));
    assert!(is_news(8));
}

#[test]
fn numbers_used_again_are_one_loss_until_they_go_back() {
    let mut resent = Resent::default();
    let mut is_news = |number| resent.is_news(AT, Loss::Used(number), ([].iter(), NOW));
    let found: Vec<_> = [4, 5, 7, 4, 5, 5].into_iter().map(&mut is_news).collect();
    assert_eq!(found, [true, false, false, true, false, true]);
    // Those of who has just said that they lost something are that loss.
    let known = [record(UnixMillis(7), NOW)];
    let mut resent = Resent::default();
    let soon = NOW.plus(Duration::from_secs(60));
    assert!(!resent.is_news(AT, Loss::Used(4), (known.iter(), soon)));
    assert!(!resent.is_news(AT, Loss::Used(5), (known.iter(), soon)));
    assert!(resent.is_news(AT, Loss::Used(4), (known.iter(), soon)));
}

#[test]
fn who_asks_too_often_or_for_too_much_waits_for_the_interval() {
    let mut resent = Resent::default();
    let of = (WHO, WHO);
    for _ in 0..RESENT_TIMES_MAX {
        assert!(resent.may(of, Duration::ZERO));
        resent.count(of, 1, Duration::ZERO);
    }
    assert!(!resent.may(of, RESENT_INTERVAL - Duration::from_secs(1)));
    assert!(resent.may((WHO, IdentityId([3; 32])), Duration::ZERO), "elsewhere");
    assert!(resent.may(of, RESENT_INTERVAL));
    resent.count(of, RESENT_BYTES_MAX, RESENT_INTERVAL);
    assert!(!resent.may(of, RESENT_INTERVAL));
    assert!(resent.may(of, 2 * RESENT_INTERVAL));
}
