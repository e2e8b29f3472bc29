// Writes PNG files by rows: every value as it is, which a canvas does not promise where there is transparency.

const SIGNATURE = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]);
const ROWS_BYTES = 1 << 20;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_value, index) => {
    let crc = index;
    for (let bit = 0; bit < 8; bit += 1) {
        crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
    }
    return crc;
});

function crc32(parts: readonly Uint8Array[]): number {
    let crc = 0xffffffff;
    for (const part of parts) {
        for (const byte of part) {
            crc = (CRC_TABLE[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
        }
    }
    return (crc ^ 0xffffffff) >>> 0;
}

function chunk(name: string, data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    const kind = new TextEncoder().encode(name);
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, data.length);
    const crc = new DataView(new ArrayBuffer(4));
    crc.setUint32(0, crc32([kind, data]));
    return [new Uint8Array(length.buffer), kind, data, new Uint8Array(crc.buffer)];
}

/** A picture of 8 bit as a PNG. `channels`: 1 gray, 3 RGB, 4 RGBA. `row`: writes row y into the bytes it is given. */
export async function encodePng(
    width: number,
    height: number,
    channels: 1 | 3 | 4,
    row: (y: number, into: Uint8Array) => void,
): Promise<Blob> {
    const stride = width * channels;
    const rows = Math.max(1, Math.floor(ROWS_BYTES / stride));
    let y = 0;
    const lines = new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(controller) {
            if (y >= height) {
                controller.close();
                return;
            }
            const count = Math.min(rows, height - y);
            const bytes = new Uint8Array(count * (stride + 1));
            for (let index = 0; index < count; index += 1, y += 1) {
                const begin = index * (stride + 1);
                const line = bytes.subarray(begin + 1, begin + 1 + stride);
                row(y, line);
                // Filter 1, Sub: each byte less the one of the pixel before. It halves what a photograph takes.
                bytes[begin] = 1;
                for (let at = stride - 1; at >= channels; at -= 1) {
                    line[at] = (line[at] as number) - (line[at - channels] as number);
                }
            }
            controller.enqueue(bytes);
        },
    });
    const packed = new Uint8Array(await new Response(lines.pipeThrough(new CompressionStream("deflate"))).arrayBuffer());
    const header = new DataView(new ArrayBuffer(13));
    header.setUint32(0, width);
    header.setUint32(4, height);
    header.setUint8(8, 8);
    header.setUint8(9, { 1: 0, 3: 2, 4: 6 }[channels]);
    const parts = [
        SIGNATURE,
        ...chunk("IHDR", new Uint8Array(header.buffer)),
        ...chunk("sRGB", new Uint8Array([0])),
        ...chunk("IDAT", packed),
        ...chunk("IEND", new Uint8Array(0)),
    ];
    return new Blob(parts, { type: "image/png" });
}
