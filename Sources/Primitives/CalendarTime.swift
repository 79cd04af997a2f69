/// A civil date and time in UTC, in the proleptic Gregorian calendar.
///
/// The conversions between days and dates are those of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms":
/// years begin in March, so that the leap day is a year's last.
package struct CalendarTime: Equatable, Sendable {
    package var year, month, day, hour, minute, second, millisecond: Int
    /// 0 is Sunday.
    package var weekday: Int

    package init(_ instant: Instant) {
        let milliseconds = Int(instant.milliseconds)
        let days = (milliseconds - (milliseconds < 0 ? 86_399_999 : 0)) / 86_400_000
        let inDay = milliseconds - days * 86_400_000
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        (hour, minute) = (inDay / 3_600_000, inDay / 60_000 % 60)
        (second, millisecond) = (inDay / 1000 % 60, inDay % 1000)
        weekday = ((days + 4) % 7 + 7) % 7
    }

    /// Days from 1970-01-01 to a date; any month from 1 to 12, any day.
    package static func days(year: Int, month: Int, day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// IMF-fixdate of RFC 9110 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, always 29 bytes for years 0 to 9999.
    package var httpDate: String {
        var text = Array("\(Self.weekdays[weekday]), 00 \(Self.months[month - 1]) 0000 00:00:00 GMT".utf8)
        Self.write([(5, 2, day), (12, 4, year), (17, 2, hour), (20, 2, minute), (23, 2, second)], into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// RFC 3339 in UTC; with milliseconds only where they are not zero.
    package var rfc3339: String {
        var text = Array((millisecond == 0 ? "0000-00-00T00:00:00Z" : "0000-00-00T00:00:00.000Z").utf8)
        Self.write(
            [(0, 4, year), (5, 2, month), (8, 2, day), (11, 2, hour), (14, 2, minute), (17, 2, second)], into: &text)
        if millisecond != 0 { Self.write([(20, 3, millisecond)], into: &text) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Puts numbers in decimal over zeros; digits beyond the width are lost.
    private static func write(_ numbers: [(start: Int, width: Int, value: Int)], into text: inout [UInt8]) {
        for (start, width, value) in numbers {
            var rest = value
            for place in (start..<start + width).reversed() {
                text[place] = 0x30 + UInt8(rest % 10)
                rest /= 10
            }
        }
    }
}

extension Instant {
    /// Reads an RFC 3339 `date-time`; nil if it is none. Fractions beyond milliseconds are cut; second 60 counts as
    /// the next minute's first.
    package init?(rfc3339 text: some StringProtocol) {
        let bytes = Array(text.utf8)
        func number(_ start: Int, _ count: Int) -> Int? {
            guard start + count <= bytes.count else { return nil }
            return bytes[start..<start + count].reduce(Int?(0)) { sum, byte in
                guard let sum, (0x30...0x39).contains(byte) else { return nil }
                return sum * 10 + Int(byte - 0x30)
            }
        }
        func has(_ byte: Character, at index: Int) -> Bool {
            guard index < bytes.count, let value = byte.asciiValue else { return false }
            // Letters in either case; anything else as it is.
            return bytes[index] == value || (byte.isLetter && bytes[index] == value | 0x20)
        }
        guard let year = number(0, 4), has("-", at: 4), let month = number(5, 2), has("-", at: 7),
            let day = number(8, 2), has("T", at: 10) || has(" ", at: 10), let hour = number(11, 2), has(":", at: 13),
            let minute = number(14, 2), has(":", at: 16), let second = number(17, 2),
            (1...12).contains(month), day >= 1, hour <= 23, minute <= 59, second <= 60
        else { return nil }
        let following = month == 12 ? (year + 1, 1) : (year, month + 1)
        let days = CalendarTime.days(year: year, month: month, day: day)
        guard days < CalendarTime.days(year: following.0, month: following.1, day: 1) else { return nil }
        var index = 19
        var millisecond = 0
        if has(".", at: index) {
            let first = index + 1
            index = bytes[first...].firstIndex { !(0x30...0x39).contains($0) } ?? bytes.count
            guard index > first else { return nil }
            for place in 0..<3 {
                millisecond = millisecond * 10 + (first + place < index ? Int(bytes[first + place] - 0x30) : 0)
            }
        }
        var offsetMinutes = 0
        if has("Z", at: index) {
            index += 1
        } else {
            guard has("+", at: index) || has("-", at: index), let hours = number(index + 1, 2), has(":", at: index + 3),
                let minutes = number(index + 4, 2), hours <= 23, minutes <= 59
            else { return nil }
            offsetMinutes = (hours * 60 + minutes) * (bytes[index] == 0x2D ? -1 : 1)
            index += 6
        }
        guard index == bytes.count else { return nil }
        let seconds = ((days * 24 + hour) * 60 + minute - offsetMinutes) * 60 + second
        self.init(milliseconds: Int64(seconds * 1000 + millisecond))
    }
}
