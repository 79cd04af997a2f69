import Glibc
import Links
import Store

/// Texts of tokens that one worker has found valid and covered, with what it answers them: a client brings the same one
/// again and again. What is covered stays so until another store takes the place of this one.
///
/// A text's place is told by its end, which is the MAC's, so it cannot be chosen.
struct TokenMemo: ~Copyable {
    /// A power of two.
    static let places = 256

    private struct Place {
        var text: [UInt8] = []
        var reading = Reading()
        var marks: [UInt8] = []
        /// Of the coverage, as of which the marks are.
        var version: UInt64 = 0
    }

    private let places = UnsafeMutablePointer<Place>.allocate(capacity: TokenMemo.places)

    init() { places.initialize(repeating: Place(), count: Self.places) }

    deinit {
        places.deinitialize(count: Self.places)
        places.deallocate()
    }

    /// The place of a text; nil if it is not known, or was covered by an earlier store. The marks are made anew where
    /// heads have moved since.
    func find(_ text: UnsafeRawBufferPointer, isFromCookie: Bool, _ tokens: Tokens) -> Int? {
        guard Token.lengths.contains(text.count) else { return nil }
        let index = Self.index(text)
        let place = places + index
        guard place.pointee.text.count == text.count, place.pointee.reading.isFromCookie == isFromCookie,
            place.pointee.reading.environment == tokens.coverage.environment,
            place.pointee.text.withUnsafeBytes({ memcmp($0.baseAddress!, text.baseAddress!, text.count) }) == 0
        else { return nil }
        let version = tokens.coverage.version
        if place.pointee.version != version {
            place.pointee.marks = tokens.marks(place.pointee.reading)
            place.pointee.version = version
        }
        return index
    }

    func kept(at place: Int) -> (reading: Reading, marks: [UInt8]) { (places[place].reading, places[place].marks) }

    @inline(__always)
    func appendMarks(at place: Int, to output: inout OutputBuffer) { output.append(places[place].marks) }

    /// `version`: of the coverage, before the marks were made.
    func keep(_ text: UnsafeRawBufferPointer, _ reading: Reading, marks: [UInt8], version: UInt64) {
        places[Self.index(text)] = Place(text: [UInt8](text), reading: reading, marks: marks, version: version)
    }

    private static func index(_ text: UnsafeRawBufferPointer) -> Int {
        let end = text.loadUnaligned(fromByteOffset: text.count - 8, as: UInt64.self)
        return Int((end &* 0x9e37_79b9_7f4a_7c15) >> 56) & (places - 1)
    }
}
