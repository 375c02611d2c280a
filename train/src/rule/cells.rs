//! How the cells of a state lie on pictures, and what they see of them, in tch.
//!
//! docs/model-files.md says what is computed; the library does it without libtorch.

use tch::{Device, Kind, Tensor};

use nca::model::Source;

/// The cells of pictures of one size.
///
/// From the top left, each covers a square of `k` pixels, not always a whole number. What lies beyond the
/// last pixel repeats it.
pub struct Cells {
    /// Pixels along the side of a cell.
    k: f64,
    /// Height and width of the pictures.
    picture: [usize; 2],
    /// Rows and columns of cells.
    count: [usize; 2],
    /// How much of each row of pixels lies in each row of cells, and the same of columns: n x H and W x m.
    areas: [Tensor; 2],
    /// Where the middle of each pixel lies among the cells' middles, as grid_sample takes it:
    /// 1 x H x W x 2.
    places: Tensor,
}

impl Cells {
    /// Cells of `cell` x `cell` pixels with strokes of `stroke` times their usual size, on pictures of
    /// this height and width.
    pub fn new(cell: usize, stroke: f32, picture: [usize; 2], device: Device) -> Self {
        let k = (cell as f64 * f64::from(stroke)).max(1.0);
        let count = picture.map(|length| (length as f64 / k).ceil() as usize);
        let [rows, columns] = [0, 1].map(|axis| areas(picture[axis], count[axis], k).to(device));
        let [y, x] = [0, 1].map(|axis| {
            let last = (count[axis] - 1) as f64;
            let at = (0..picture[axis]).map(|pixel| {
                let at = ((pixel as f64 + 0.5) / k - 0.5).clamp(0.0, last);
                normalised(at, count[axis]) as f32
            });
            Tensor::from_slice(&at.collect::<Vec<_>>()).to(device)
        });
        let [height, width] = picture.map(|length| length as i64);
        let places = Tensor::stack(
            &[
                x.reshape([1, width]).expand([height, width], false),
                y.reshape([height, 1]).expand([height, width], false),
            ],
            2,
        );
        Self {
            k,
            picture,
            count,
            areas: [rows, columns.tr()],
            places: places.unsqueeze(0),
        }
    }

    /// Pixels along the side of a cell.
    pub fn size(&self) -> f64 {
        self.k
    }

    /// Height and width of the pictures.
    pub fn picture(&self) -> [usize; 2] {
        self.picture
    }

    /// Rows and columns.
    pub fn count(&self) -> [usize; 2] {
        self.count
    }

    /// Means of pictures over the cells: B x C x H x W becomes B x C x n x m.
    pub fn means(&self, pictures: &Tensor) -> Tensor {
        let [rows, columns] = &self.areas;
        rows.matmul(pictures).matmul(columns)
    }

    /// The values of cells, B x C x n x m, at all pixels, bilinearly: B x C x H x W.
    pub fn sample(&self, values: &Tensor) -> Tensor {
        sample(values, &self.places)
    }

    /// What cells see of pictures B x 3 x H x W in [0, 1]: B x F x n x m.
    pub fn source(&self, pictures: &Tensor, source: Source) -> Tensor {
        let colours = self.means(pictures) - 0.5;
        match source {
            Source::RgbStructureTensor => Tensor::cat(&[colours, self.edges(pictures)], 1),
            Source::Rgb => colours,
            Source::ShiftShuffle => unreachable!("it is only had without a painter"),
        }
    }

    /// What edges do in the cells: twice their direction as cosine and sine, and how strong they are.
    fn edges(&self, pictures: &Tensor) -> Tensor {
        let grey = pictures.mean_dim([1_i64].as_slice(), true, Kind::Float) * 4.0;
        let sobel = Tensor::from_slice(&[-1_f32, 0., 1., -2., 0., 2., -1., 0., 1.]);
        let sobel = sobel.reshape([3, 3]).to(pictures.device()) / 8.0;
        let filters = Tensor::stack(&[&sobel, &sobel.tr()], 0).unsqueeze(1);
        let slopes = grey
            .replication_pad2d([1; 4])
            .conv2d(&filters, None::<&Tensor>, 1, 0, 1, 1);
        let (gx, gy) = (slopes.narrow(1, 0, 1), slopes.narrow(1, 1, 1));
        let tensor = Tensor::cat(
            &[
                gx.square() - gy.square(),
                &gx * &gy * 2.0,
                gx.square() + gy.square(),
            ],
            1,
        );
        let tensor = self.means(&tensor).replication_pad2d([1; 4]).avg_pool2d(
            [3_i64; 2],
            [1_i64; 2],
            [0_i64; 2],
            false,
            true,
            None::<i64>,
        );
        let strength = tensor.narrow(1, 2, 1);
        Tensor::cat(
            &[
                tensor.narrow(1, 0, 2) / (&strength + 2e-3) * 0.5,
                strength.clamp_min(1e-8).sqrt().clamp_max(1.0) - 0.5,
            ],
            1,
        )
    }
}

/// How much of each of `length` pixels lies in each of `count` cells: count x length.
fn areas(length: usize, count: usize, k: f64) -> Tensor {
    let mut areas = vec![0.0_f32; count * length];
    for (cell, areas) in areas.chunks_exact_mut(length).enumerate() {
        let (start, end) = (cell as f64 * k, (cell + 1) as f64 * k);
        for pixel in start as usize..end.ceil() as usize {
            let shared = end.min((pixel + 1) as f64) - start.max(pixel as f64);
            areas[pixel.min(length - 1)] += (shared / k) as f32;
        }
    }
    Tensor::from_slice(&areas).reshape([count as i64, length as i64])
}

/// A place among `count` cells as grid_sample takes it.
pub(crate) fn normalised(at: f64, count: usize) -> f64 {
    (2.0 * at + 1.0) / count as f64 - 1.0
}

/// Samples B x C x n x m bilinearly at 1 x H x W x 2 or B x H x W x 2; beyond the edge lies the nearest cell.
fn sample(values: &Tensor, places: &Tensor) -> Tensor {
    const BILINEAR: i64 = 0;
    const BORDER: i64 = 1;
    let places = places.expand([values.size()[0], -1, -1, -1], false);
    values.grid_sampler_2d(&places, BILINEAR, BORDER, false)
}
