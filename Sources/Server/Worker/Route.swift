import Glibc

/// Which paths are redirects, and which are the API's.
enum Route {
    /// Where it matters who asks and how often: not on pages for people, nor where it is asked how the node is.
    static func isOfAPI(_ path: String) -> Bool {
        ["/api/", "/shorten", "/analytics/"].contains(where: path.hasPrefix)
    }

    /// The code in a path of one segment that can be a code or an alias; nil for everything else, which is the API's.
    static func code(_ path: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard path.count >= 4, path.count <= 65 else { return nil }
        let segment = UnsafeRawBufferPointer(rebasing: path[1...])
        for byte in segment where !isCodeByte(byte) { return nil }
        return isReserved(segment) ? nil : segment
    }

    private static func isCodeByte(_ byte: UInt8) -> Bool {
        // A bit for each of the first 128 bytes: digits, letters, hyphen and underscore.
        let word: UInt64 = byte < 64 ? 0x03ff_2000_0000_0000 : 0x07ff_fffe_87ff_fffe
        return byte < 128 && word &>> UInt64(byte) & 1 != 0
    }

    /// The reserved words that consist of a code's characters.
    private static func isReserved(_ segment: UnsafeRawBufferPointer) -> Bool {
        switch segment.count {
        case 3: isWord("api", segment)
        case 6: isWord("health", segment)
        case 7: isWord("shorten", segment)
        case 8: isWord("problems", segment)
        case 9: isWord("analytics", segment)
        default: false
        }
    }

    /// `word` is as long as the segment.
    @inline(__always)
    private static func isWord(_ word: StaticString, _ segment: UnsafeRawBufferPointer) -> Bool {
        memcmp(word.utf8Start, segment.baseAddress!, word.utf8CodeUnitCount) == 0
    }
}
