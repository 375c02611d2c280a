
struct Results {
    not_finite: atomic<u32>,
    pixels: array<u32>,
}

@group(0) @binding(0) var<storage, read> weights: array<Values>;
@group(0) @binding(1) var<storage, read> frozen: array<f32>;
@group(0) @binding(2) var<storage, read> cells: array<f32>;
// Where a channel is blurred, its blur when the kernel starts.
@group(0) @binding(3) var<storage, read_write> next: array<f32>;
@group(0) @binding(4) var<storage, read_write> results: Results;

var<workgroup> panel: array<Values, ROWS * GROUPS>;

// What lies beyond the edges is read where the border says. A tile may reach over the right and
// lower edge: what it computes there is not written, but must be read from somewhere.
fn perceive(x: u32, y: u32, group: u32, share: u32) {
    var columns: array<u32, 6>;
    for (var i = 0u; i < 6u; i++) {
        columns[i] = beyond(i32(x + i) - 1, WIDTH);
    }
    let row = i32(y);
    let rows = vec3(beyond(row - 1, HEIGHT), beyond(row, HEIGHT), beyond(row + 1, HEIGHT)) * WIDTH;
    var channel = share;
    for (; channel < FROZEN; channel += SHARES) {
        let plane = rows + channel * PIXELS;
        var values: array<array<f32, 6>, 3>;
        for (var row = 0u; row < 3u; row++) {
            for (var i = 0u; i < 6u; i++) {
                values[row][i] = frozen[plane[row] + columns[i]];
            }
        }
        respond(values, channel, group);
    }
    for (; channel < CHANNELS; channel += SHARES) {
        let plane = rows + (channel - FROZEN) * PIXELS;
        var values: array<array<f32, 6>, 3>;
        for (var row = 0u; row < 3u; row++) {
            for (var i = 0u; i < 6u; i++) {
                values[row][i] = cells[plane[row] + columns[i]];
            }
        }
        respond(values, channel, group);
    }
}

// Writes four pixels' values and responses to both Sobel filters and the Laplacian. Of the rows
// above, at and below, `values` has the four pixels and one on either side.
fn respond(values: array<array<f32, 6>, 3>, channel: u32, group: u32) {
    var left: array<vec4<f32>, 3>;
    var middle: array<vec4<f32>, 3>;
    var right: array<vec4<f32>, 3>;
    for (var row = 0u; row < 3u; row++) {
        let v = values[row];
        left[row] = vec4(v[0], v[1], v[2], v[3]);
        middle[row] = vec4(v[1], v[2], v[3], v[4]);
        right[row] = vec4(v[2], v[3], v[4], v[5]);
    }
    let above = left[0] + 2.0 * middle[0] + right[0];
    let below = left[2] + 2.0 * middle[2] + right[2];
    let sobel_x = (right[0] - left[0]) + 2.0 * (right[1] - left[1]) + (right[2] - left[2]);
    let laplacian = above + 2.0 * (left[1] + right[1]) - 12.0 * middle[1] + below;
    let at = channel * 4u * GROUPS + group;
    panel[at] = Values(middle[1]);
    panel[at + GROUPS] = Values(sobel_x);
    panel[at + 2u * GROUPS] = Values(below - above);
    panel[at + 3u * GROUPS] = Values(laplacian);
}

// Adds the update of four pixels to an updated channel, or to its blur.
fn add(x: u32, y: u32, channel: u32, update: vec4<f32>) {
    if channel >= UPDATED || y >= HEIGHT {
        return;
    }
    let blurred = select(BLURRED_LOW, BLURRED_HIGH, channel >= 32u) >> (channel % 32u) & 1u;
    let row = channel * PIXELS + y * WIDTH;
    var not_finite = false;
    for (var i = 0u; i < min(4u, WIDTH - min(x, WIDTH)); i++) {
        let at = row + x + i;
        var value: f32;
        if blurred == 1u {
            value = next[at] + update[i];
        } else {
            value = cells[at] + update[i];
        }
        next[at] = value;
        // By its bits: compilers may take it for granted that a comparison sees no NaN.
        not_finite |= (bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u;
    }
    if not_finite {
        atomicStore(&results.not_finite, 1u);
    }
}
