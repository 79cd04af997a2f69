import Glibc

/// A directory that goes away with the value.
final class WorkDirectory {
    let path: String

    /// Made below `parent`, which is there; nil: `TMPDIR` or /tmp.
    init(in parent: String?) throws {
        let parent = parent ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/edge-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw LabError("cannot make a directory in \(parent): \(String(cString: strerror(errno)))")
        }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        Interruption.note(.directory(path))
        chmod(path, 0o711)  // PostgreSQL runs as a user of its own.
    }

    deinit {
        _ = try? runToEnd(["rm", "-rf", "--", path])
        Interruption.forget(.directory(path))
    }

    func appending(_ name: String) -> String { path + "/" + name }
}

/// A whole small file as text.
func readTextFile(_ path: String) throws -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = read(descriptor, &chunk, chunk.count), count > 0 { bytes += chunk[..<count] }
    return String(decoding: bytes, as: UTF8.self)
}

func writeTextFile(_ path: String, _ text: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else { throw LabError("\(path): not written") }
}

/// Takes a file's pages out of memory, as far as no process maps them, so that the next reader meets the disk.
func forgetPages(of path: String) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    close(descriptor)
}

/// Brings a file's pages into memory.
func readThrough(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while read(descriptor, &chunk, chunk.count) > 0 {}
}

func fileBytes(_ path: String) throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
    return Int(status.st_size)
}

/// What the system can give without taking anything from other processes.
func availableMemoryBytes() throws -> Int {
    for line in try readTextFile("/proc/meminfo").split(separator: "\n") where line.hasPrefix("MemAvailable:") {
        let words = line.split(separator: " ")
        if words.count == 3, let kibibytes = Int(words[1]) { return kibibytes << 10 }
    }
    throw LabError("the system does not tell how much memory it has")
}

/// Where `program` is: in one of `directories`, or in `PATH`; nil if it is not installed.
func findProgram(_ program: String, in directories: [String] = []) -> String? {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    let places = directories + path.split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/bin"]
    return places.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
}

/// A program that was built beside this one.
func siblingProgram(_ name: String) throws -> String {
    let own = ownPath
    let path = own[..<own.lastIndex(of: "/")!] + "/" + name
    guard access(path, X_OK) == 0 else { throw LabError("there is no \(path); build the product `\(name)` first") }
    return path
}

var ownPath: String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
    precondition(count > 0, "/proc must be there")
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
