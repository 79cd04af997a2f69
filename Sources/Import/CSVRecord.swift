/// Cuts bytes into the fields of one record (RFC 4180), whose lines end with LF or CRLF. Any byte that is no separator,
/// quote or end of a line is content, spaces too.
///
/// A record that cannot be taken is read to its end without being kept: one with a wrong quote to the end of its line,
/// because no quote behind it can be trusted; one that is too long to where it would have ended, because text of a
/// field, which strangers may have written, must not be taken for records.
struct CSVRecord: Sendable {
    private enum State: Sendable {
        case fieldStart, plain, quoted
        /// Behind a quote in a quoted field: the field's end, or the first half of a quote that belongs to it.
        case closed
        /// Behind the carriage return behind a quoted field.
        case closedLine
        case skippingLine
    }

    private let separator: UInt8
    private var state = State.fieldStart
    private var sizeBytes = 0
    private var bytes: [UInt8] = []
    /// Of each field but the one that is being read.
    private var ends: [Int] = []
    private var hasQuotes = false
    private(set) var refusal: ImportRefusal?

    init(separator: UInt8) { self.separator = separator }

    /// Whether nothing of the record has been read.
    var isFresh: Bool { sizeBytes == 0 }
    /// Nothing but separators, if even that.
    var isBlank: Bool { bytes.isEmpty && !hasQuotes && refusal == nil }
    var fieldCount: Int { ends.count }

    func field(_ index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }

    /// True if the record ends with `byte`.
    mutating func take(_ byte: UInt8) -> Bool {
        if byte == ASCII.lineFeed, state != .quoted {
            endRecord()
            return true
        }
        sizeBytes += 1
        if sizeBytes > ImportLimits.rowBytes { refuse(.tooLong) }
        switch (state, byte) {
        case (.fieldStart, ASCII.quote):
            hasQuotes = true
            state = .quoted
        case (.fieldStart, separator), (.plain, separator), (.closed, separator):
            endField()
            state = .fieldStart
        case (.plain, ASCII.quote), (.closedLine, _):
            refuse(.misplacedQuote)
            state = .skippingLine
        case (.fieldStart, _), (.plain, _):
            keep(byte)
            state = .plain
        case (.quoted, ASCII.quote): state = .closed
        case (.quoted, _): keep(byte)
        case (.closed, ASCII.quote):
            keep(byte)
            state = .quoted
        case (.closed, ASCII.carriageReturn): state = .closedLine
        case (.closed, _):
            refuse(.misplacedQuote)
            state = .skippingLine
        case (.skippingLine, _): break
        }
        return false
    }

    /// At the end of the input.
    mutating func finish() {
        if state == .quoted { refuse(.truncated) }
        endRecord()
    }

    private mutating func endRecord() {
        if state == .plain, bytes.last == ASCII.carriageReturn { bytes.removeLast() }
        endField()
    }

    private mutating func endField() {
        guard refusal == nil else { return }
        guard ends.count < ImportLimits.columns else { return refuse(.tooManyValues) }
        ends.append(bytes.count)
    }

    private mutating func keep(_ byte: UInt8) { if refusal == nil { bytes.append(byte) } }

    /// The first reason stays.
    private mutating func refuse(_ reason: ImportRefusal) {
        guard refusal == nil else { return }
        refusal = reason
        bytes = []
        ends = []
    }
}
