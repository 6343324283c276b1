// Every section of the texts, one file a page. A new section is a line here, in both languages.
import app from './app.json'
import common from './common.json'
import errors from './errors.json'
import nav from './nav.json'
import session from './session.json'

export const ja = { app, common, errors, nav, session }

/** The texts of one language; Japanese says which there are. */
export type Texts = { [S in keyof typeof ja]: { [K in keyof (typeof ja)[S]]: string } }
