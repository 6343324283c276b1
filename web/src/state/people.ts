// Lists of people: who is found, and what a transfer looks like to the import.

type Person = { login: string; name: string; department: string; disabled_at?: number | null }

/** Returns who fits every word, by name, login or the name of the department. */
export function findPeople<P extends Person>(people: P[], query: string, departments: Map<string, string>, withDisabled: boolean): P[] {
  const words = query.normalize('NFKC').toLowerCase().split(/\s+/).filter(Boolean)
  return people.filter((person) => {
    if (!withDisabled && person.disabled_at) return false
    const text = `${person.name} ${person.login} ${departments.get(person.department) ?? ''}`.normalize('NFKC').toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

/** The columns of the import, in the words of its file. */
export type ListLine = { login: string; name: string; department: string; role: string; day: string; room: boolean }

const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** Writes a list of one person, as the import reads it. `head` is the first line, as the server's export has it. */
export function listOf(head: string, line: ListLine): string {
  const cells = [line.login, line.name, line.department, line.role, line.day, '', line.room ? '○' : '']
  return `${head.trim()}\r\n${cells.map(cell).join(',')}\r\n`
}
