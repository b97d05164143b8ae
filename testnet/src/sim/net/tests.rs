#![expect(clippy::unwrap_used, reason = "tests")]

use std::future::poll_fn;

use futures::{AsyncReadExt, AsyncWriteExt};
use proptest::prelude::*;

use super::*;
use crate::plan::LossAs;
use crate::sim::lockstep::Crossing;

/// Time is kept in milliseconds, and one is rounded up to.
const TICK: Duration = Duration::from_millis(1);

/// What is written: after so long so many bytes.
type Write = (u64, usize);

/// How a link is used.
#[derive(Debug, Clone)]
struct Use {
    shape: LinkShape,
    writes: Vec<Write>,
    /// When the two don't reach each other, from and for so many milliseconds.
    outage: Option<(u64, u64)>,
    costs: Option<Costs>,
    seed: u64,
}

/// What happened, in times since the connection was there.
#[derive(Debug, PartialEq)]
struct Seen {
    /// The bytes written until then, and when the last of them were taken.
    written: Vec<(usize, Duration)>,
    /// The same for those read.
    read: Vec<(usize, Duration)>,
    outage: Option<(Duration, Duration)>,
}

fn shape() -> impl Strategy<Value = LinkShape> {
    let loss = prop_oneof![Just(0.0), 0.0..0.5];
    let bandwidth = proptest::option::of(1_000..1_000_000u64);
    (0..400u64, 0..200u64, bandwidth, loss).prop_map(|(latency, jitter, bandwidth, loss)| {
        LinkShape {
            latency: Duration::from_millis(latency),
            jitter: Duration::from_millis(jitter),
            bandwidth_bytes_per_s: bandwidth,
            loss,
            loss_as: LossAs::Delay,
        }
    })
}

fn usage() -> impl Strategy<Value = Use> {
    let writes = prop::collection::vec((0..400u64, 1..30_000usize), 1..20);
    let outage = proptest::option::of((0..3_000u64, 1..5_000u64));
    (shape(), writes, outage, any::<u64>()).prop_map(|(shape, writes, outage, seed)| Use {
        shape,
        writes,
        outage,
        costs: None,
        seed,
    })
}

/// The byte at a place of the stream.
fn byte(at: usize) -> u8 {
    u8::try_from(at % 251).unwrap()
}

/// Uses a link as `usage` says. What is read is checked to be what was written.
fn run(usage: &Use) -> Seen {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let net = network(usage, &[0, 0]).remove(0);
        tokio::spawn(runs(vec![Arc::clone(&net)]));
        let (mut near, mut far) = connected(&net, &net).await;
        let begin = Instant::now();
        let write = async {
            let mut written = Vec::new();
            let mut sum = 0;
            for (wait, count) in &usage.writes {
                tokio::time::sleep(Duration::from_millis(*wait)).await;
                let bytes: Vec<u8> = (sum..sum + count).map(byte).collect();
                near.write_all(&bytes).await.unwrap();
                sum += count;
                written.push((sum, begin.elapsed()));
            }
            near.close().await.unwrap();
            written
        };
        let read = async {
            let mut read = Vec::new();
            let (mut sum, mut buffer) = (0, vec![0; 50_000]);
            loop {
                let count = far.read(&mut buffer).await.unwrap();
                if count == 0 {
                    break read;
                }
                assert!((sum..).map(byte).zip(&buffer[..count]).all(|(a, b)| a == *b));
                sum += count;
                read.push((sum, begin.elapsed()));
            }
        };
        let cut = async {
            let (after, lasts) = usage.outage?;
            tokio::time::sleep(Duration::from_millis(after)).await;
            net.partition(&[vec![0], vec![1]], 2);
            let from = begin.elapsed();
            tokio::time::sleep(Duration::from_millis(lasts)).await;
            net.partition(&[], 2);
            Some((from, begin.elapsed()))
        };
        let (written, read, outage) = futures::join!(write, read, cut);
        Seen { written, read, outage }
    })
}

/// Two nodes with a link, in these sectors: the network as each sector has it.
fn network(usage: &Use, sector_of: &[SectorIndex]) -> Vec<Arc<Net>> {
    let count = sector_of.iter().max().map_or(0, |last| last + 1);
    let division = Division { sector_of: sector_of.to_vec(), count, lookahead: 1 };
    let shapes = HashMap::from([((0, 1), usage.shape)]);
    let transport = LinkTransport::Secured;
    let world = World { division, shapes, transport, costs: usage.costs, seed: usage.seed };
    let world = Arc::new(world);
    (0..count).map(|sector| Net::new(&world, sector)).collect()
}

/// Lets time go by in networks, millisecond by millisecond, as their sectors would.
async fn runs(nets: Vec<Arc<Net>>) {
    let begin = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        for net in &nets {
            net.take_leaving().into_iter().for_each(|packet| nets[packet.to()].bring(vec![packet]));
        }
        for net in &nets {
            net.arrive(Tick::try_from(begin.elapsed().as_millis()).unwrap());
        }
        ticks.tick().await;
    }
}

/// A connection from node 0 to node 1.
async fn connected(near: &Arc<Net>, far: &Arc<Net>) -> (End, End) {
    let mut arrivals = far.listen(1, PeerId::random());
    let end = near.dial(Path { from: 0, to: 1 }, PeerId::random()).unwrap();
    poll_fn(|context| end.poll_answer(context)).await.unwrap();
    (end, arrivals.recv().await.unwrap().end)
}

/// When the last byte of each write may arrive: at the earliest, and at the latest if the two reach
/// each other all the time.
fn bounds(usage: &Use, seen: &Seen) -> Vec<(Duration, Duration)> {
    let LinkShape { latency, jitter, bandwidth_bytes_per_s, loss, .. } = usage.shape;
    let resend =
        if loss > 0.0 { (latency * 2).max(Duration::from_millis(200)) } else { Duration::ZERO };
    let (mut free, mut latest) = (Duration::ZERO, Duration::ZERO);
    let mut bounds = Vec::new();
    for ((_, taken), (_, count)) in seen.written.iter().zip(&usage.writes) {
        let takes = bandwidth_bytes_per_s.map_or(0.0, |rate| *count as f64 / rate as f64);
        free = free.max(*taken) + Duration::from_secs_f64(takes);
        latest = latest.max(free + latency + jitter + resend);
        bounds.push((free + latency, latest));
    }
    bounds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// All that is written arrives, in order, as soon as the link lets it and no sooner; nothing
    /// while the nodes are apart; and all at the same times with the same seed.
    #[test]
    fn a_link_delivers_all_in_order_when_it_can(usage in usage()) {
        let seen = run(&usage);
        prop_assert_eq!(&run(&usage), &seen);
        prop_assert_eq!(seen.read.last().map(|(sum, _)| *sum), seen.written.last().map(|(sum, _)| *sum));
        if let Some((from, until)) = seen.outage {
            prop_assert!(seen.read.iter().all(|(_, at)| *at <= from || *at >= until));
        }
        for ((sum, _), (earliest, latest)) in seen.written.iter().zip(bounds(&usage, &seen)) {
            let arrived = seen.read.iter().find(|(read, _)| read >= sum).unwrap().1;
            let latest = match seen.outage {
                Some((from, until)) if latest + TICK >= from => latest.max(until),
                _ => latest,
            };
            prop_assert!(arrived >= earliest, "{arrived:?} is before {earliest:?}");
            prop_assert!(arrived <= latest + TICK, "{arrived:?} is after {latest:?}");
        }
    }
}

#[test]
fn what_a_busy_node_sends_leaves_when_it_is_done() {
    let costs = Costs { envelope_us: 0, commit_us: 30_000, wake_us: 2000 };
    let usage = Use {
        shape: LinkShape { latency: Duration::from_millis(10), ..LinkShape::default() },
        writes: vec![(0, 100), (0, 100)],
        outage: None,
        costs: Some(costs),
        seed: 1,
    };
    // The reader has 2 ms of work with what comes first, which keeps nothing else from coming.
    let ms = Duration::from_millis;
    let seen = run(&usage);
    assert_eq!(seen.read, [(200, ms(10))]);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let net = network(&usage, &[0, 0]).remove(0);
        tokio::spawn(runs(vec![Arc::clone(&net)]));
        let (mut near, mut far) = connected(&net, &net).await;
        let begin = Instant::now();
        let work = net.work(0);
        work.lock().unwrap().charge(|costs| costs.commit_us);
        near.write_all(&[1]).await.unwrap();
        far.read_exact(&mut [0]).await.unwrap();
        assert_eq!(begin.elapsed(), ms(40));
    });
}

fn plain(latency: u64) -> Use {
    let latency = Duration::from_millis(latency);
    let shape = LinkShape { latency, ..LinkShape::default() };
    Use { shape, writes: Vec::new(), outage: None, costs: None, seed: 1 }
}

/// Does something in a runtime whose clock goes where the next timer is due.
fn block_on<T>(what: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(what)
}

#[test]
fn a_connection_between_sectors_is_like_one_within() {
    let meet = |sector_of: &[SectorIndex]| {
        block_on(async {
            let nets = network(&plain(20), sector_of);
            tokio::spawn(runs(nets.clone()));
            let (near, far) = (&nets[sector_of[0]], &nets[sector_of[1]]);
            let begin = Instant::now();
            let (mut here, mut there) = connected(near, far).await;
            let mut times = vec![begin.elapsed()];
            here.write_all(&[7; 3_000_000]).await.unwrap();
            here.close().await.unwrap();
            times.push(begin.elapsed());
            let mut read = Vec::new();
            there.read_to_end(&mut read).await.unwrap();
            times.push(begin.elapsed());
            assert_eq!((read.len(), far.connections().get(&1)), (3_000_000, Some(&1)));
            drop(there);
            tokio::time::sleep(Duration::from_millis(30)).await;
            assert_eq!(
                near.connections().get(&0),
                None,
                "it was not told that the other end is gone"
            );
            times
        })
    };
    // A round trip to connect; and another for each MiB, which is all that may be under way.
    let both = [meet(&[0, 0]), meet(&[0, 1])];
    assert_eq!(both[0], both[1]);
    assert_eq!(both[0][0], Duration::from_millis(40));
}

#[test]
fn who_dials_a_node_that_is_off_or_has_gone_is_told_and_so_is_who_talks_to_one() {
    block_on(async {
        let nets = network(&plain(20), &[0, 1]);
        tokio::spawn(runs(nets.clone()));
        let end = nets[0].dial(Path { from: 0, to: 1 }, PeerId::random()).unwrap();
        let refused = poll_fn(|context| end.poll_answer(context)).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let (mut near, _far) = connected(&nets[0], &nets[1]).await;
        nets[1].unplug(1);
        let broken = near.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(near.write(&[0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(
            nets[0].dial(Path { from: 0, to: 2 }, PeerId::random()).err().unwrap().kind(),
            io::ErrorKind::HostUnreachable
        );
    });
}

#[test]
fn a_node_that_gives_up_dialling_leaves_no_connection_behind() {
    block_on(async {
        let nets = network(&plain(20), &[0, 1]);
        tokio::spawn(runs(nets.clone()));
        let mut arrivals = nets[1].listen(1, PeerId::random());
        let end = nets[0].dial(Path { from: 0, to: 1 }, PeerId::random()).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        drop(end);
        let mut far = arrivals.recv().await.unwrap().end;
        // Its answer finds nobody.
        assert!(far.read(&mut [0; 8]).await.map_or(true, |count| count == 0));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(nets.iter().all(|net| net.connections().is_empty()));
    });
}
