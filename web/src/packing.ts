// Masks take little room: runs of one value, each as its length (7 bits a byte, low ones first) and the value.

export function pack(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const packed: number[] = [];
    for (let begin = 0; begin < bytes.length; ) {
        const value = bytes[begin] as number;
        let end = begin + 1;
        while (end < bytes.length && bytes[end] === value) {
            end += 1;
        }
        let count = end - begin;
        while (count >= 128) {
            packed.push((count & 127) | 128);
            count >>>= 7;
        }
        packed.push(count, value);
        begin = end;
    }
    return new Uint8Array(packed);
}

export function unpack(packed: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (let index = 0; index < packed.length; ) {
        let count = 0;
        let shift = 0;
        let byte = packed[index++] as number;
        while (byte & 128) {
            count |= (byte & 127) << shift;
            shift += 7;
            byte = packed[index++] as number;
        }
        count |= byte << shift;
        bytes.fill(packed[index++] as number, at, at + count);
        at += count;
    }
    return bytes;
}
