import Links
import Primitives

/// Writes the live links of the store in `directory` as JSON lines, sorted by key: equal on nodes that hold the same.
///
/// `write` gets some lines at a time and says whether it wants more. Links that are deleted or expired at `now` are left
/// out, because nodes forget their content at different times, and so are damaged ones, whose names are returned.
package func dumpStore(
    directory: String, now: Instant, knownLogFormat: UInt16 = StoreLimits.logFormat, write: ([UInt8]) -> Bool
) throws(StoreError) -> [String] {
    let image = try openForReading(directory, knownLogFormat)
    let regions = image.origins.values.map { RegionCharacter($0.origin.region)! }
    let space = CodeSecret.space(image.codeSecret, regions)
    let names = image.origins.mapValues(\.origin)
    let path = directory + "/" + StoreFile.name
    do throws(LMDBError) {
        let transaction = image.snapshot
        var lines: [UInt8] = []
        var damaged: [String] = []
        for table in image.catalogue.linkTables + [.snowflakes, .aliases] {
            let cursor = try transaction.cursor(image.catalogue.handle(table)!)
            var row = try cursor.move(.first)
            while let (keyBytes, value) = row {
                guard let payload = Row.payload(table, keyBytes, value),
                    let record = try? StoredRecord(decoding: payload.bytes),
                    let key = LinkKey(table: table, rowKey: keyBytes), let origin = image.origins[record.originIndex]
                else {
                    damaged.append(space.name(of: keyBytes, in: table))
                    row = try cursor.move(.next)
                    continue
                }
                let isBlocked = try image.catalogue.block(of: key, names, transaction).isInForce
                appendLine(key, record, origin.origin, space, now, isBlocked: isBlocked, &lines)
                if lines.count > 1 << 16 {
                    guard write(lines) else { return damaged }
                    lines.removeAll(keepingCapacity: true)
                }
                row = try cursor.move(.next)
            }
        }
        _ = write(lines)
        return damaged
    } catch {
        throw .damaged(path: path, reason: "\(error)")
    }
}

private func appendLine(
    _ key: LinkKey, _ record: StoredRecord, _ origin: Origin, _ space: CodeSpace, _ now: Instant, isBlocked: Bool,
    _ lines: inout [UInt8]
) {
    let body = record.body
    guard body.flags.isDisjoint(with: [.deleted, .reduced]), body.expiresAt.map({ $0 > now }) ?? true else { return }
    let creation = body.creation ?? Creation(stamp: record.stamp, origin: origin)
    lines.append(0x7B)
    lines.append(jsonKey: "short_code", string: space.text(of: key))
    lines.append(jsonKey: "long_url", utf8: body.destination)
    lines.append(
        jsonKey: "created_at",
        string: CalendarTime(body.importedCreation ?? Stamp(rawValue: creation.stamp).instant).rfc3339)
    lines.append(jsonKey: "expires_at", string: body.expiresAt.map { CalendarTime($0).rfc3339 })
    lines.append(jsonKey: "is_active", bool: !body.flags.contains(.inactive))
    lines.append(jsonKey: "is_blocked", bool: isBlocked)
    lines.append(jsonKey: "forward_query", bool: body.flags.contains(.forwardsQuery))
    lines.append(jsonKey: "title", string: body.title)
    lines.append(jsonKey: "tags", strings: body.tags)
    lines.append(jsonKey: "owner", string: body.owner.map { String(decoding: $0, as: UTF8.self) })
    lines.append(jsonKey: "origin", string: "\(creation.origin)")
    lines.append(jsonKey: "stamp", string: hex(record.stamp, 16))
    lines.append(jsonKey: "writer", string: "\(origin)")
    lines.append(0x7D)
    lines.append(0x0A)
}

extension CodeSpace {
    /// How people know a row of a table of links: its code, or the bytes of its key if that is damaged.
    func name(of rowKey: UnsafeRawBufferPointer, in table: TableID) -> String {
        let key = LinkKey(table: table, rowKey: rowKey)
        if let key, canName(key) { return "/" + text(of: key) }
        return table.name + " " + rowKey.map { hex(UInt64($0), 2) }.joined()
    }

    private func canName(_ key: LinkKey) -> Bool {
        switch key {
        case .generated(let region, _, let number):
            RegionCharacter(region).map(contains) ?? false && number < Base62.sevenCharacters
        case .snowflake(let number):
            RegionCharacter(index: Snowflake(number: number).regionIndex).map(contains) ?? false
                && Snowflake(number: number).node < 16
        case .alias(let name): name.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        }
    }

    /// The string that a link is reached under.
    package func text(of key: LinkKey) -> String {
        switch key {
        case .generated(let region, _, let number): code(of: number, region: RegionCharacter(region)!).description
        case .snowflake(let number): code(of: Snowflake(number: number)).description
        case .alias(let name): String(decoding: name, as: UTF8.self)
        }
    }
}
