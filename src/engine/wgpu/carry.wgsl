
struct Grid {
    size: vec2<u32>,
    // Cells for each pixel of the state, along x and y.
    ratio: vec2<f32>,
}

struct Flow {
    vectors: Grid,
    confidence: Grid,
    // Pixels of the state for the unit of the vectors.
    scale: vec2<f32>,
    // Of the noise that the state starts from where it cannot be moved: low and high half.
    seed: vec2<u32>,
    // Vectors along x, along y, and confidence, row after row.
    values: array<f32>,
}

@group(0) @binding(0) var<storage, read> flow: Flow;
@group(0) @binding(1) var<storage, read> cells: array<f32>;
@group(0) @binding(2) var<storage, read_write> next: array<f32>;
@group(0) @binding(3) var<storage, read> frozen: array<f32>;
// How far each pixel's motion is not believed.
@group(0) @binding(4) var<storage, read_write> distrust: array<f32>;
// Whether that is anything in a tile of the step.
@group(0) @binding(5) var<storage, read_write> doubted: array<atomic<u32>>;

// Moves the updated channels of a pixel, as `crate::engine::cpu` does.
@compute @workgroup_size(32, 4)
fn carry(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= WIDTH || id.y >= HEIGHT {
        return;
    }
    let pixel = vec2<f32>(id.xy);
    let vectors = flow.vectors.size.x * flow.vectors.size.y;
    let moved = vec2(
        interpolate(flow.vectors, 0u, pixel) * flow.scale.x,
        interpolate(flow.vectors, vectors, pixel) * flow.scale.y,
    );
    let confidence = interpolate(flow.confidence, 2u * vectors, pixel);
    let trust = clamp((confidence - TRUST_NONE) / (TRUST_FULL - TRUST_NONE), 0.0, 1.0);

    // No further out than a pixel to the left and above, and one to the right and below.
    let place = clamp(pixel + moved, vec2(-1.0), vec2(f32(WIDTH), f32(HEIGHT))) - pixel;
    let whole = floor(place);
    let first = vec2<i32>(id.xy) + vec2<i32>(whole) - 1;
    let column_weights = convolution(place.x - whole.x);
    let row_weights = convolution(place.y - whole.y);
    let columns = vec4(
        beyond(first.x, WIDTH),
        beyond(first.x + 1, WIDTH),
        beyond(first.x + 2, WIDTH),
        beyond(first.x + 3, WIDTH),
    );
    let rows = vec4<u32>(clamp(first.y + vec4(0, 1, 2, 3), vec4(0), vec4(i32(HEIGHT) - 1))) * WIDTH;

    let at = id.y * WIDTH + id.x;
    distrust[at] = 1.0 - trust;
    if trust < 1.0 {
        atomicStore(&doubted[id.y / TILE_HEIGHT * TILES + id.x / TILE_WIDTH], 1u);
    }
    for (var channel = 0u; channel < UPDATED; channel++) {
        let plane = channel * PIXELS;
        let sums = vec4(
            weigh(plane + rows.x + columns, column_weights),
            weigh(plane + rows.y + columns, column_weights),
            weigh(plane + rows.z + columns, column_weights),
            weigh(plane + rows.w + columns, column_weights),
        );
        var value = dot(row_weights, sums);
        if trust < 1.0 {
            var anew = 0.0;
            if channel < 3u {
                anew = frozen[plane + at];
            } else {
                anew = noise(flow.seed, FROZEN + channel, id.y, id.x);
            }
            value = trust * value + (1.0 - trust) * anew;
        }
        next[plane + at] = value;
    }
}

fn weigh(at: vec4<u32>, weights: vec4<f32>) -> f32 {
    return dot(weights, vec4(cells[at.x], cells[at.y], cells[at.z], cells[at.w]));
}

// The grid whose values begin at `start`, between the centres of its cells.
fn interpolate(grid: Grid, start: u32, pixel: vec2<f32>) -> f32 {
    let last = grid.size - 1u;
    let at = clamp((pixel + 0.5) * grid.ratio - 0.5, vec2(0.0), vec2<f32>(last));
    let cell = vec2<u32>(at);
    let after = min(cell + 1u, last);
    let t = at - floor(at);
    let above = start + cell.y * grid.size.x;
    let below = start + after.y * grid.size.x;
    let left = (1.0 - t.y) * flow.values[above + cell.x] + t.y * flow.values[below + cell.x];
    let right = (1.0 - t.y) * flow.values[above + after.x] + t.y * flow.values[below + after.x];
    return left + (right - left) * t.x;
}

// Weights of the four places around one that is `t` beyond the second of them.
fn convolution(t: f32) -> vec4<f32> {
    let s = SHARPNESS;
    return vec4(
        s * ((t - 2.0) * t + 1.0) * t,
        ((s + 2.0) * t - (s + 3.0)) * t * t + 1.0,
        ((2.0 * s + 3.0 - (s + 2.0) * t) * t - s) * t,
        s * (1.0 - t) * t * t,
    );
}
