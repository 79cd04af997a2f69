import Analytics
import Links
import Primitives
import Store

/// A link's clicks as clients see them.
struct ClickText {
    /// Days that are told if the request does not say.
    static let days = 30
    static let parameters = [
        QueryParameter("days", "Days to tell of, today last.", (1...ClickLimits.days).schema(usually: days))
    ]

    let code: [UInt8]
    let history: ClickHistory
    /// The last of the days.
    let today: ClickDay
    /// Since when clicks are counted here.
    let since: Instant

    var json: [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "short_code", utf8: code)
        json.append(counts: history.total)
        json.append(jsonKey: "since", string: CalendarTime(since).rfc3339)
        json.append(jsonKey: "days")
        json.append(UInt8(ascii: "["))
        for (place, counts) in history.days.enumerated() {
            if place > 0 { json.append(UInt8(ascii: ",")) }
            json.append(UInt8(ascii: "{"))
            json.append(jsonKey: "date", string: today.earlier(by: history.days.count - 1 - place).text)
            json.append(counts: counts)
            json.append(UInt8(ascii: "}"))
        }
        json.append(contentsOf: "]}".utf8)
        return json
    }
}

/// The hottest codes as the admin port shows them.
struct HotText {
    let codes: [HotCodes.Hot]
    let errorBound: Double

    var json: [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "half_life_seconds")
        json.append(contentsOf: String(Clicks.hotHalfLifeMilliseconds / 1000).utf8)
        json.append(jsonKey: "counters")
        json.append(contentsOf: String(Clicks.hotCounters).utf8)
        json.append(jsonKey: "error_bound", number: errorBound)
        json.append(jsonKey: "codes")
        json.append(UInt8(ascii: "["))
        for (place, hot) in codes.enumerated() {
            if place > 0 { json.append(UInt8(ascii: ",")) }
            json.append(UInt8(ascii: "{"))
            json.append(jsonKey: "code", utf8: hot.code)
            json.append(jsonKey: "per_second", number: hot.perSecond)
            json.append(jsonKey: "error", number: hot.error)
            json.append(UInt8(ascii: "}"))
        }
        json.append(contentsOf: "]}".utf8)
        return json
    }
}

extension [UInt8] {
    fileprivate mutating func append(counts: ClickCounts) {
        for (name, count) in [
            ("clicks" as StaticString, counts.people), ("bots", counts.bots), ("head", counts.heads),
        ] {
            append(jsonKey: name)
            append(contentsOf: String(count).utf8)
        }
    }

    /// With three digits behind the point.
    fileprivate mutating func append(jsonKey name: StaticString, number: Double) {
        append(jsonKey: name)
        append(contentsOf: String((number * 1000).rounded() / 1000).utf8)
    }
}
