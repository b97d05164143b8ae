//! What a stamp costs: one attempt, checking one, and making stamps of a few bits. Each bit more
//! doubles the attempts: `2^bits` on average.
//!
//! `cargo bench -p martlet-protocol --bench stamp`; results are in `docs/performance.md`.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use martlet_protocol::{EnvelopeId, stamp};

/// Bits that the benchmark makes whole stamps of, in time to be repeated often.
const BITS: [u8; 3] = [8, 12, 16];

fn stamps(c: &mut Criterion) {
    let id = EnvelopeId([7; 32]);
    let mut group = c.benchmark_group("stamp");
    let mut nonce = 0u64;
    group.throughput(Throughput::Elements(1));
    group.bench_function("check", |b| {
        b.iter(|| {
            nonce = nonce.wrapping_add(1);
            stamp::check(black_box(&id), nonce, 20)
        });
    });
    group.throughput(Throughput::Elements(4096));
    group.bench_function("4096 attempts", |b| b.iter(|| stamp::make(black_box(&id), 64, 0, 4096)));
    for bits in BITS {
        // Luck differs from envelope to envelope: many of them.
        let mut number = 0u64;
        group.throughput(Throughput::Elements(1 << bits));
        group.bench_with_input(BenchmarkId::new("make", bits), &bits, |b, bits| {
            b.iter_batched(
                || {
                    number += 1;
                    EnvelopeId(*blake3::hash(&number.to_be_bytes()).as_bytes())
                },
                |id| stamp::make(&id, *bits, 0, u64::MAX),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, stamps);
criterion_main!(benches);
