import CLinux
import Glibc

/// The directory of a node's store, and copies of it.
struct Disk {
    let path: String

    /// All that is below it goes.
    func wipe() { Self.remove(path) }

    /// What a store keeps between starts.
    static let files = ["data.mdb", "identity"]

    /// As it stands now; nil for a file that is not there.
    func image() -> [String: [UInt8]] {
        var image: [String: [UInt8]] = [:]
        for name in Self.files { image[name] = Self.read(path + "/" + name) }
        return image
    }

    func restore(_ image: [String: [UInt8]]) {
        wipe()
        mkdir(path, 0o700)
        for name in Self.files { if let bytes = image[name] { Self.write(bytes, to: path + "/" + name) } }
    }

    var sideFile: [UInt8]? { Self.read(path + "/identity") }

    /// The side file is what it was, or is not there.
    func putBack(_ sideFile: [UInt8]?) {
        if let sideFile { Self.write(sideFile, to: path + "/identity") } else { removeIdentity() }
    }

    /// Of the store that is made beside.
    var joining: [UInt8] { Self.read(path + "/joining/data.mdb") ?? [] }

    func writeJoining(_ bytes: [UInt8]) {
        mkdir(path + "/joining", 0o700)
        Self.write(bytes, to: path + "/joining/data.mdb")
    }

    func removeIdentity() { unlink(path + "/identity") }

    /// Flips a bit of the byte at `offset` wherever `pattern` stands in the store's file. How often.
    func flip(in pattern: [UInt8], at offset: Int, _ bit: Int) -> Int {
        guard let bytes = Self.read(path + "/data.mdb") else { return 0 }
        var (found, start): ([Int], Int) = ([], 0)
        bytes.withUnsafeBytes { all in
            while let hit = memmem(all.baseAddress! + start, all.count - start, pattern, pattern.count) {
                let place = UnsafeRawPointer(hit) - all.baseAddress!
                found.append(place + offset)
                start = place + 1
            }
        }
        let file = open(path + "/data.mdb", O_WRONLY | O_CLOEXEC)
        for place in found { pwrite(file, [bytes[place] ^ 1 << bit], 1, off_t(place)) }
        close(file)
        return found.count
    }

    /// Files that a closed store has no use for, and its own if it is larger than that.
    func excess(atMost byteCount: Int) -> [String] {
        var found: [String] = []
        Self.forEachName(in: path) { name in
            if !(Self.files + ["lock.mdb", "lost+found"]).contains(name) { found.append("there is a file \(name)") }
        }
        let size = Self.read(path + "/data.mdb")?.count ?? 0
        return size > byteCount ? found + ["the store has \(size) bytes"] : found
    }

    /// Files that this process has open there.
    static func descriptorCount(below path: String) -> Int {
        (0..<1024 as Range<Int32>).count { descriptor in
            var target = [CChar](repeating: 0, count: 512)
            let length = readlink("/proc/self/fd/\(descriptor)", &target, target.count)
            return length > 0
                && String(decoding: target[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self).hasPrefix(path)
        }
    }

    static func remove(_ path: String) {
        if forEachName(in: path, { remove(path + "/" + $0) }) { rmdir(path) } else { unlink(path) }
    }

    /// False if it is no directory.
    @discardableResult
    private static func forEachName(in path: String, _ body: (String) -> Void) -> Bool {
        guard let directory = opendir(path) else { return false }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { body(name) }
        }
        closedir(directory)
        return true
    }

    private static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        let size = Int(lseek(file, 0, SEEK_END))
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = max(0, pread(file, buffer.baseAddress, size, 0))
        }
    }

    private static func write(_ bytes: [UInt8], to path: String) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        precondition(file >= 0 && Glibc.write(file, bytes, bytes.count) == bytes.count, "no room for the simulation")
        close(file)
    }
}
