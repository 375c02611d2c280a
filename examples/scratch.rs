use nca::engine::{self, Backend, Precision, Selection};
use nca::model::Model;
use nca::{
    Size,
    frame::{FrameMut, Packing},
};
use std::{sync::Arc, time::Instant};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let model = Arc::new(Model::find(&args[1]).unwrap());
    let size = Size::new(args[2].parse().unwrap(), args[3].parse().unwrap());
    let backend = if args[4] == "wgpu" {
        Backend::Wgpu
    } else {
        Backend::Cpu
    };
    let precision = if args[5] == "half" {
        Precision::Half
    } else {
        Precision::Full
    };
    for _ in 0..2 {
        let t = Instant::now();
        let mut e = engine::create(
            &model,
            size,
            &Selection {
                backend,
                precision,
                ..Default::default()
            },
        )
        .unwrap();
        println!("create {:?} {}", t.elapsed(), e.device());
        let mut px: Vec<u8> = (0..size.pixels() * 4)
            .map(|i| (i * 7 % 251) as u8)
            .collect();
        for round in 0..3 {
            let mut f = FrameMut::packed(&mut px, size.width * 4, size, Packing::new(4, [0, 1, 2]))
                .unwrap();
            let t = Instant::now();
            e.set_source(&f.as_frame()).unwrap();
            let a = t.elapsed();
            if round == 0 {
                e.seed(1).unwrap();
            }
            let b = t.elapsed();
            e.step(2).unwrap();
            let c = t.elapsed();
            e.render(&mut f, 0.8).unwrap();
            println!(
                "source {:?} seed {:?} step(2) {:?} render {:?}",
                a,
                b - a,
                c - b,
                t.elapsed() - c
            );
        }
    }
}
