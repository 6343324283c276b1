// What a person may do, so that nothing is shown that the server would refuse: the twin of http/access.rs. Pure.

type Role = 'administrator' | 'department_administrator' | 'staff' | 'auditor'
type Person = { role: Role; department: string }
type Meeting = { owner: string; department: string; sensitivity: 'public' | 'internal' | 'restricted' }
type Group = { scope: 'office' | 'department' | 'meeting'; department?: string | null }

/** Tells whether a person may record, bring recordings and edit at all: an auditor only looks. */
export function mayWork({ role }: Person): boolean {
  return role !== 'auditor'
}

/** Tells whether a meeting is a person's to put into the bin: its owner's, and the administrator's of its department. */
export function mayManage(person: Person & { id: string }, meeting: Meeting): boolean {
  if (person.role === 'auditor') return false
  const isOffice = person.role === 'department_administrator' && person.department === meeting.department && meeting.sensitivity !== 'restricted'
  return person.id === meeting.owner || isOffice
}

/** Tells whether a person may make, rename and take away groups of words and templates of a department, or of the office. */
export function mayKeepShared(person: Person, department: string | null): boolean {
  if (person.role === 'administrator') return true
  return person.role === 'department_administrator' && department === person.department
}

/** Tells whether a person may rename and take away a group of words. A meeting's group is that of whoever edits the meeting. */
export function mayKeepGroup(person: Person, group: Group): boolean {
  return group.scope === 'meeting' ? mayWork(person) : mayKeepShared(person, group.scope === 'office' ? null : (group.department ?? null))
}

/** Tells whether a person may register words in a group: colleagues share the list of their department. */
export function mayRegisterWords(person: Person, group: Group): boolean {
  return mayKeepGroup(person, group) || (person.role === 'staff' && group.scope === 'department' && group.department === person.department)
}
