//! How long the importer takes for the whole base model: container → ggml, the shell's files left out.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gijiroku::speech::model::{Precision, import};

#[expect(clippy::disallowed_methods, reason = "a bench reads the fetched sources")]
fn base_model(criterion: &mut Criterion) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models/weights/whisper-base");
    let read = |name: &str| std::fs::read(format!("{folder}/{name}"));
    let (Ok(container), Ok(tokenizer)) = (read("model.bin"), read("tokenizer.json")) else {
        eprintln!("import: the sources are not here; run models/fetch.sh --sources first");
        return;
    };
    let mut group = criterion.benchmark_group("import");
    group.sample_size(10);
    for (name, precision) in [("bf16", Precision::Bf16), ("q8_0", Precision::Q8_0)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut ggml = Vec::with_capacity(160 << 20);
                import(&container, &tokenizer, precision, &mut ggml).expect("the sources are whole");
                black_box(ggml)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, base_model);
criterion_main!(benches);
