import Primitives

/// Reads block lists from bytes in pieces, of any sizes, and makes one `BlockList` of them. The forms of lines, which one file
/// may mix:
///
///     0.0.0.0 a.example b.example     hosts, as hosts files have them (also behind 127.0.0.1, :: and ::1)
///     a.example                       a domain, and all below it; also *.a.example, .a.example and ||a.example^
///     192.0.2.1                       an address; also 2001:db8::1
///     a.example/path                  what URLs begin with, with or without a scheme
///
/// `#` behind a blank, and `#`, `!`, `;` or `[Adblock` at the beginning of a line, begin a comment.
package struct BlockListReader {
    private var list = BlockList()
    private var line: [UInt8] = []
    private var isTooLong = false
    private var lineNumber = 0
    private var url = NormalisedURL()

    package init() {}

    /// What is read from now on is of a list of this name.
    package mutating func begin(_ name: String) {
        precondition(list.lists.count < BlockListLimits.lists)
        list.lists.append(BlockList.Figures(name: name))
        lineNumber = 0
    }

    package mutating func read(_ piece: [UInt8]) throws(BlockListError) {
        var rest = piece[...]
        while let end = rest.firstIndex(of: 0x0A) {
            take(rest[..<end])
            try endLine()
            rest = rest[(end + 1)...]
        }
        take(rest)
    }

    /// The list is whole.
    package mutating func end() throws(BlockListError) {
        try endLine()
        let figures = list.lists[list.lists.count - 1]
        guard figures.wrongLines * 10 <= figures.lines else {
            throw .manyWrongLines(wrong: figures.wrongLines, of: figures.lines, first: figures.told)
        }
    }

    package consuming func finish() -> BlockList {
        list.compact()
        return list
    }

    private mutating func take(_ part: ArraySlice<UInt8>) {
        let room = BlockListLimits.lineBytes - line.count
        line += part.prefix(room)
        if part.count > room { isTooLong = true }
    }

    private mutating func endLine() throws(BlockListError) {
        lineNumber += 1
        let last = list.lists.count - 1
        do throws(WrongLine.Reason) {
            if isTooLong { throw .tooLong }
            if try readLine() { list.lists[last].lines += 1 }
        } catch {
            list.lists[last].lines += 1
            if error.isUnreachable { return restartLine() }
            list.lists[last].wrongLines += 1
            if list.lists[last].told.count < BlockListLimits.toldLines {
                list.lists[last].told.append(WrongLine(line: lineNumber, reason: error))
            }
        }
        restartLine()
        guard list.entryCount <= BlockListLimits.entries else { throw .tooManyEntries }
    }

    private mutating func restartLine() {
        line.removeAll(keepingCapacity: true)
        isTooLong = false
    }

    // MARK: One line

    /// False if the line says nothing.
    private mutating func readLine() throws(WrongLine.Reason) -> Bool {
        var rest = line[...]
        if lineNumber == 1, rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
        rest = rest.drop(while: isBlank)
        guard let first = rest.first, ![ASCII.hash, UInt8(ascii: "!"), UInt8(ascii: ";")].contains(first),
            !rest.starts(with: "[Adblock".utf8)
        else { return false }
        if let comment = rest.indices.dropFirst().first(where: { rest[$0] == ASCII.hash && isBlank(rest[$0 - 1]) }) {
            rest = rest[..<comment]
        }
        let words = rest.split(whereSeparator: isBlank)
        guard let word = words.first else { return false }
        if words.count > 1 {
            try readHosts(word, words.dropFirst())
        } else {
            try readEntry(Array(word))
        }
        return true
    }

    /// As a hosts file has them. Names of the machine itself and its network are in every such file, and no entries. A name
    /// that cannot be read makes the line a wrong one, though those behind it are entries all the same.
    private mutating func readHosts(
        _ address: ArraySlice<UInt8>, _ names: ArraySlice<ArraySlice<UInt8>>
    ) throws(WrongLine.Reason) {
        let address = Array(address.prefix { $0 != ASCII.percent })
        let isAddress: Bool
        let isUnreachable: Bool
        if let bits = parseIPv6(address) {
            (isAddress, isUnreachable) = (true, bits <= 1)
        } else {
            let bits = address.count { $0 == ASCII.dot } == 3 ? parseIPv4(address) : nil
            (isAddress, isUnreachable) = (bits != nil, bits == 0 || bits.map { $0 >> 24 } == 127)
        }
        guard isAddress else { throw .severalWords }
        var wrong: WrongLine.Reason?
        for name in names {
            do throws(WrongLine.Reason) {
                try readHost(name, isUnreachable)
            } catch {
                if wrong == nil, !error.isUnreachable { wrong = error }
            }
        }
        if let wrong { throw wrong }
    }

    /// `isUnreachable`: of the address before it.
    private mutating func readHost(_ name: ArraySlice<UInt8>, _ isUnreachable: Bool) throws(WrongLine.Reason) {
        guard !name.contains(where: endsHost) else { throw .rule }
        try readURL(Array("http://".utf8) + name)
        if !url.isName || isPrivateName(Array(url.bytes[..<url.hostEnd])) { return }
        guard isUnreachable else { throw .severalWords }
        list.add(.host, url, line: lineNumber)
    }

    private mutating func readEntry(_ word: [UInt8]) throws(WrongLine.Reason) {
        var name = word[...]
        var isWholeTop = true
        if name.starts(with: "||".utf8) {
            guard name.last == UInt8(ascii: "^") else { throw .rule }
            name = name.dropFirst(2).dropLast()
        } else if name.starts(with: "*.".utf8) {
            name = name.dropFirst(2)
        } else if name.first == ASCII.dot {
            name = name.dropFirst()
        } else {
            isWholeTop = false
        }
        // What stands behind the sign is no part of what a browser asks for, and without it more would be blocked.
        guard !name.contains(ASCII.hash) else { throw .rule }
        let isIPv6 = parseIPv6(Array(name)) != nil
        if !isIPv6, name.contains(where: endsHost) {
            guard !name.contains(UInt8(ascii: "*")) else { throw .pattern }
            guard !isWholeTop else { throw .rule }
            return try readPrefix(word)
        }
        try readURL(Array((isIPv6 ? "http://[" : "http://").utf8) + name + (isIPv6 ? [UInt8(ascii: "]")] : []))
        if url.isName {
            guard isWholeTop || url.bytes[..<url.hostEnd].contains(ASCII.dot) else { throw .singleLabel }
        } else if !isIPv6, !name.elementsEqual(url.bytes[..<url.hostEnd]) {
            throw .address
        }
        list.add(url.isName ? .domain : .host, url, line: lineNumber)
    }

    private mutating func readPrefix(_ word: [UInt8]) throws(WrongLine.Reason) {
        let hasScheme = word.firstIndex(of: ASCII.colon).map { word[$0...].starts(with: "://".utf8) } ?? false
        try readURL(hasScheme ? word : Array("http://".utf8) + word)
        let path = url.bytes[url.hostEnd...].dropFirst()
        if !hasScheme, !url.isName, 1...3 ~= path.count, path.allSatisfy(ASCII.isDigit) { throw .addressRange }
        guard url.bytes.count <= BlockListLimits.prefixBytes else { throw .tooLong }
        list.add(.prefix, url, line: lineNumber)
    }

    /// As the text of a link's destination would be. Whatever may lead nowhere here stands for itself.
    private mutating func readURL(_ text: [UInt8]) throws(WrongLine.Reason) {
        do throws(DestinationError) {
            try url.read(try Destination(text, policy: .everywhere).bytes)
        } catch {
            // No link can lead there, but the place without it is what was meant.
            if case .userinfo = error { throw .userinfo }
            throw .destination(error)
        }
    }
}

/// Whether a host ends before it.
private func endsHost(_ byte: UInt8) -> Bool {
    [ASCII.slash, ASCII.colon, ASCII.question, ASCII.hash].contains(byte)
}

private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
